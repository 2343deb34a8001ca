"""The state of a training between two steps, kept in one file that is always whole."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pipeline.files import whole


@dataclass(kw_only=True)
class State:
    """Everything that a training needs to go on as if it had never stopped."""

    epoch: int = 0
    """0-based; equals the number of epochs when the training is finished."""
    step: int = 0
    """Steps done in this epoch."""
    loss_sum: float = 0.0
    """Over the samples of this epoch so far."""
    correct: int = 0
    seen: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    """Parameters and buffers of the network."""
    momentum: dict[str, Tensor] = field(default_factory=dict)
    """Momentum of each parameter; empty before the first step."""
    history: list[dict[str, float | None]] = field(default_factory=list)
    """One row an epoch."""
    selected: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best validation epoch so far, where that is the rule of selection."""
    selected_correct: int = -1


def save(state: State, path: Path) -> None:
    """Writes the state in one step: a reader, or a run after a crash, finds the old one or the new one."""
    # Through a file of Python's: torch's own writer does not say that the disk is full.
    with whole(path) as temporary, temporary.open("wb") as file:
        torch.save(asdict(state), file)


def load(path: Path) -> State | None:
    """The state at `path` on the CPU, or None if there is none yet."""
    if not path.exists():
        return None
    return State(**torch.load(path, map_location="cpu", weights_only=True))
