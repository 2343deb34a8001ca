"""The state of a training between two steps."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(kw_only=True)
class State:
    """Everything that a training needs to resume with identical results.

    Learning rate, sample order and random numbers follow from epoch and step and are not stored.
    """

    epoch: int = 0
    """0-based; equals the number of epochs when the training is finished."""
    step: int = 0
    """Steps done in this epoch."""
    loss_sum: float = 0.0
    """Sum of the losses of the samples of this epoch, when it was last read from the device."""
    correct: int = 0
    """Read with it."""
    seen: int = 0
    used: str = ""
    """Digest of the samples that this epoch used so far (used.py)."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    """Parameters and buffers of the network."""
    momentum: dict[str, Tensor] = field(default_factory=dict)
    """Momentum of each parameter; empty before the first step."""
    averages: dict[str, Tensor] = field(default_factory=dict)
    """Averages of parameters and buffers; empty without average_decay."""
    steps: int = 0
    """Steps done in all epochs."""
    history: list[dict[str, float | None]] = field(default_factory=list)
    """One row per epoch."""
    samples: list[str] = field(default_factory=list)
    """Digest of the samples that each epoch used (used.py)."""
    selected: dict[str, Tensor] = field(default_factory=dict)
    """Weights that are the result instead of the last ones: of the best validation epoch so far, with selection
    best-validation; with recomputed statistics, in the finished state."""
    selected_correct: int = -1
