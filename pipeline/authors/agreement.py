"""How far apart two networks' numbers are: the largest difference of each kind in float64, the flips in float32."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.authors.compare import Flip, LayerFlips, first_flip, flips_of
from pipeline.authors.side_by_side import Case, Computed

BOUND = 1e-10
"""Greatest difference in float64, relative to the largest value of its tensor where that is above 1."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest difference between what ours and theirs computed of one kind."""

    quantity: str
    largest: float
    """Relative to `greatest` where that is above 1; infinite where shapes differ or a number is missing."""
    greatest: float
    """Largest value of that tensor of theirs."""
    where: str
    """Our name of the tensor."""

    @property
    def equal(self) -> bool:
        return self.largest <= BOUND


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Spikes of one layer that differ in float32."""

    between: LayerFlips
    """Ours against theirs; margins are those of float64."""
    ours: int
    """Ours against float64."""
    theirs: int
    """Theirs against float64."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One network of theirs beside ours."""

    case: Case
    differences: tuple[Difference, ...]
    flips: tuple[Flips, ...]
    """Of each layer of neurons, in the order of computation."""

    @property
    def equal(self) -> bool:
        return all(difference.equal for difference in self.differences)

    def first_flip(self) -> tuple[str, Flip] | None:
        return first_flip([flips.between for flips in self.flips])


def disagreements(ours: Computed, theirs: Computed) -> list[Difference]:
    """Of everything that was computed in float64."""
    statistics = {name for name in theirs.state if "running" in name}
    weights = theirs.state.keys() - statistics
    return [
        largest("spikes", ours.fired, theirs.fired),
        largest("logits", {"": ours.logits}, {"": theirs.logits}),
        largest("loss", {"": ours.loss}, {"": theirs.loss}),
        largest("gradients", ours.gradients, theirs.gradients),
        largest("running statistics", _part(ours.state, statistics), _part(theirs.state, statistics)),
        largest("parameters after a step", _part(ours.state, weights), _part(theirs.state, weights)),
        largest("logits after it, in test", {"": ours.tested}, {"": theirs.tested}),
    ]


def _part(values: Mapping[str, Tensor], names: set[str]) -> dict[str, Tensor]:
    return {name: value for name, value in values.items() if name in names}


def largest(quantity: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Difference:
    """Over all tensors; one that only one side has, or of another shape, differs without end."""
    found = [distance(name, ours.get(name), theirs.get(name)) for name in sorted(ours.keys() | theirs.keys())]
    worst, greatest, where = max(found)
    return Difference(quantity=quantity, largest=worst, greatest=greatest, where=where)


def distance(name: str, ours: Tensor | None, theirs: Tensor | None) -> tuple[float, float, str]:
    """Largest difference, relative to the largest value above 1; that value; the name."""
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return math.inf, math.nan, name
    greatest = float(theirs.double().abs().max())
    apart = float((ours.double() - theirs.double()).abs().max()) / max(1.0, greatest)
    return (math.inf if math.isnan(apart) else apart), greatest, name


def flips(name: str, computed: dict[torch.dtype, tuple[Computed, Computed]]) -> Flips:
    """Of one layer in float32; margins, and what is right, are those of theirs in float64."""
    (ours, theirs), (_, exact) = computed[torch.float32], computed[torch.float64]
    return Flips(
        between=flips_of(name, theirs.fired[name], ours.fired[name], lambda: exact.margins[name]),
        ours=int((ours.fired[name] != exact.fired[name]).sum()),
        theirs=int((theirs.fired[name] != exact.fired[name]).sum()),
    )
