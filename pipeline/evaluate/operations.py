"""Operations of each layer, and their cost under the conventions in use; does not need torch.

docs/operations.md has the definitions and their sources.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from models.bounds import STRICT, Natural, Positive

Kind = Literal["binary", "graded", "real"]

MULTIPLY_ADD_PJ = 4.6
"""Energy (picojoules) of a 32-bit float multiplication (3.7) and addition (0.9) in 45 nm. Horowitz, "Computing's Energy
Problem (and what we can do about it)", ISSCC 2014."""
ADDITION_PJ = 0.9


@dataclass(frozen=True, kw_only=True)
class Work:
    """Inputs and operations of a layer, summed over some samples and all time steps. All are integers.

    An operation is the product of a nonzero input and a nonzero weight. Its kind is determined by all inputs of the
    layer in that time step and batch.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    samples: Positive
    inputs: Natural
    """Number of input values."""
    nonzero: Natural
    dense: Natural
    """Pairs of input and weight, zero or not, without padding."""
    binary: Natural
    """Operations if all inputs are 0, 1 or -1."""
    graded: Natural
    """Operations if all inputs are integers (sums of spikes), not all binary."""
    graded_units: Natural
    """Graded operations, each multiplied by the magnitude of its input."""
    real: Natural
    """Operations if some input is not an integer."""
    normalized: Natural
    """Number of normalized values."""
    neurons: Natural
    """Number of neuron updates."""

    def __add__(self, other: "Work") -> "Work":
        return Work(**{part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(Work)})

    @property
    def kind(self) -> Kind:
        """The least spike-like kind of any batch and time step: real before graded before binary."""
        if self.real:
            return "real"
        return "graded" if self.graded else "binary"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Mean operations per sample under one convention."""

    convention: str
    multiply_adds: float
    additions: float

    @property
    def microjoules(self) -> float:
        """Energy of these operations alone, without memory access, neurons or normalization."""
        return (MULTIPLY_ADD_PJ * self.multiply_adds + ADDITION_PJ * self.additions) / 1e6


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Work of every layer over samples of a test split, in the order of computation."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    steps: Positive
    """Time steps per sample."""
    layers: dict[str, Work]

    @property
    def samples(self) -> int:
        """Number of samples on which it was counted."""
        return next(iter(self.layers.values())).samples

    def total(self) -> dict[str, int]:
        """Sums over the layers."""
        works = [asdict(work) for work in self.layers.values()]
        return {name: sum(work[name] for work in works) for name in works[0] if name != "samples"}

    def synaptic(self) -> dict[str, Work]:
        """Layers with weights, without neurons that have no convolution."""
        return {name: work for name, work in self.layers.items() if work.dense}

    def costs(self) -> list[Cost]:
        """Synaptic operations per sample under each convention; the last is the same network with ReLU."""
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
    """Operations from `as_json`; None if a record has none. Raises TypeError for unknown keys."""
    if stored is None:
        return None
    return Operations(**{**stored, "layers": {name: Work(**work) for name, work in stored["layers"].items()}})
