"""Differences between two networks' numbers: the largest of each kind in float64, and flipped spikes in float32."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.authors.compare import Flip, LayerFlips, first_flip, flips_of
from pipeline.authors.side_by_side import Case, Computed

BOUND = 1e-10
"""Maximum difference in float64; relative to the tensor's largest value if that is above 1."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest difference between ours and theirs in one kind of quantity."""

    quantity: str
    largest: float
    """Relative to `greatest` if that is above 1; infinite for NaN, a missing tensor or another shape."""
    greatest: float
    """Largest absolute value of the tensor in theirs."""
    where: str
    """Our name of the tensor."""

    @property
    def equal(self) -> bool:
        return self.largest <= BOUND


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Spikes of one layer that differ in float32."""

    between: LayerFlips
    """Ours against theirs; margins are computed in float64."""
    ours: int
    """Ours against float64."""
    theirs: int
    """Theirs against float64."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The comparison of one of their networks with ours."""

    case: Case
    differences: tuple[Difference, ...]
    flips: tuple[Flips, ...]
    """Flips of each layer of neurons, in the order of computation."""

    @property
    def equal(self) -> bool:
        return all(difference.equal for difference in self.differences)

    def first_flip(self) -> tuple[str, Flip] | None:
        return first_flip([flips.between for flips in self.flips])


def disagreements(ours: Computed, theirs: Computed) -> list[Difference]:
    """The largest differences of all quantities computed in float64."""
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
    """The largest difference over all tensors; infinite if only one side has a tensor, or shapes differ."""
    found = [distance(name, ours.get(name), theirs.get(name)) for name in sorted(ours.keys() | theirs.keys())]
    worst, greatest, where = max(found)
    return Difference(quantity=quantity, largest=worst, greatest=greatest, where=where)


def distance(name: str, ours: Tensor | None, theirs: Tensor | None) -> tuple[float, float, str]:
    """Largest difference, relative to the largest value if that is above 1; that value; the name."""
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return math.inf, math.nan, name
    greatest = float(theirs.double().abs().max())
    apart = float((ours.double() - theirs.double()).abs().max()) / max(1.0, greatest)
    return (math.inf if math.isnan(apart) else apart), greatest, name


def flips(name: str, computed: dict[torch.dtype, tuple[Computed, Computed]]) -> Flips:
    """Flips of one layer in float32; margins and exact spikes are those of their network in float64."""
    (ours, theirs), (_, exact) = computed[torch.float32], computed[torch.float64]
    return Flips(
        between=flips_of(name, theirs.fired[name], ours.fired[name], lambda: exact.margins[name]),
        ours=int((ours.fired[name] != exact.fired[name]).sum()),
        theirs=int((theirs.fired[name] != exact.fired[name]).sum()),
    )
