"""What a layer's input makes it compute, and what that costs under the conventions that people use; without torch.

docs/operations.md has the definitions and their sources.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from models.bounds import STRICT, Natural, Positive

Kind = Literal["binary", "graded", "real"]

MULTIPLY_ADD_PJ = 4.6
"""Picojoules, 32-bit float, 45 nm: multiplication 3.7, addition 0.9. Horowitz, "Computing's Energy Problem (and what we
can do about it)", ISSCC 2014."""
ADDITION_PJ = 0.9


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a layer was given and had to compute, over some samples and all time steps. Whole numbers.

    An operation is one nonzero input that meets one nonzero weight. Its kind is that of all inputs of the layer in that
    time step and batch.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    samples: Positive
    inputs: Natural
    """Values that went in."""
    nonzero: Natural
    dense: Natural
    """Pairs of an input and a weight, zero or not; none for the padding."""
    binary: Natural
    """Operations where all inputs were 0, 1 or -1."""
    graded: Natural
    """Operations where all inputs were whole numbers: sums of spikes."""
    graded_units: Natural
    """The same, each counted as often as the input's value says."""
    real: Natural
    """Operations where an input was no whole number."""
    normalized: Natural
    """Values that were normalized."""
    neurons: Natural
    """Updates of a neuron."""

    def __add__(self, other: "Work") -> "Work":
        return Work(**{part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(Work)})

    @property
    def kind(self) -> Kind:
        """The least like a spike that any batch and time step had."""
        if self.real:
            return "real"
        return "graded" if self.graded else "binary"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Operations of one sample, on average, under one convention."""

    convention: str
    multiply_adds: float
    additions: float

    @property
    def microjoules(self) -> float:
        """Of these operations alone: no memory, no neurons, no normalization."""
        return (MULTIPLY_ADD_PJ * self.multiply_adds + ADDITION_PJ * self.additions) / 1e6


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Work of every layer over samples of a test split, in the order of computation."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    steps: Positive
    """Time steps of a sample."""
    layers: dict[str, Work]

    @property
    def samples(self) -> int:
        """On which it was counted."""
        return next(iter(self.layers.values())).samples

    def total(self) -> dict[str, int]:
        """Sums over the layers."""
        works = [asdict(work) for work in self.layers.values()]
        return {name: sum(work[name] for work in works) for name in works[0] if name != "samples"}

    def synaptic(self) -> dict[str, Work]:
        """Layers with weights: neurons that stand alone are left out."""
        return {name: work for name, work in self.layers.items() if work.dense}

    def costs(self) -> list[Cost]:
        """A sample's synaptic operations under each convention; last, the same network with ReLU."""
        total, samples = self.total(), self.samples
        binary, graded, real = total["binary"], total["graded"], total["real"]
        counts: dict[str, tuple[float, float]] = {
            "every nonzero input taken for a spike": (0, binary + graded + real),
            "NeuroBench: additions for inputs in {-1, 0, 1}, else multiply-adds": (graded + real, binary),
            "a graded input taken for as many spikes, real ones multiplied": (real, binary + total["graded_units"]),
            "the same network with ReLU: all synapses, once": (total["dense"] / self.steps, 0),
        }
        return [
            Cost(convention=name, multiply_adds=products / samples, additions=sums / samples)
            for name, (products, sums) in counts.items()
        ]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def summed_work(parts: list[dict[str, Work]]) -> dict[str, Work]:
    """Work of each layer over all parts."""
    return {name: sum((part[name] for part in parts[1:]), start=work) for name, work in parts[0].items()}


def read_operations(stored: dict[str, Any] | None) -> Operations | None:
    """What as_json gave; None where a record has none. Raises TypeError for other keys."""
    if stored is None:
        return None
    return Operations(**{**stored, "layers": {name: Work(**work) for name, work in stored["layers"].items()}})
