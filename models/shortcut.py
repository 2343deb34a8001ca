"""Residual shortcuts, by name: what a block makes of its second layer and its skip, and where its neurons are.

Shapes: T time steps, B samples, C channels, H height, W width.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Second = Callable[..., Tensor]
"""A block's second layer: of its input, or of its input and a skip that is added."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """One form of a block."""

    join: Callable[[Second, Tensor, Tensor], Tensor]
    """Of the second layer, its input and the skip, the output (T, B, C, H, W)."""
    skips: bool = True
    second_fires: bool = True
    """The second layer has neurons."""
    fires_first: bool = False
    """A block starts with neurons, since it is handed membranes; so do the readout's inputs."""
    fires_last: bool = False
    """A block ends with neurons, after the sum."""


def _add(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """Second layer + skip."""
    return second(between, skip)


def _and(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """A spike where both have one."""
    return second(between) * skip


def _iand(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """A spike where the skip has one and the second layer has none."""
    return (1.0 - second(between)) * skip


def _or(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """A spike where at least one has one."""
    spikes = second(between)
    return spikes + skip - spikes * skip


def _second_only(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """The second layer."""
    return second(between)


SHORTCUTS: dict[str, Shortcut] = {
    "spike-add": Shortcut(join=_add),
    "and": Shortcut(join=_and),
    "iand": Shortcut(join=_iand),
    "or": Shortcut(join=_or),
    "vanilla": Shortcut(join=_add, second_fires=False, fires_last=True),
    "membrane": Shortcut(join=_add, second_fires=False, fires_first=True),
    "none": Shortcut(join=_second_only, skips=False),
}
"""spike-add: the authors' model.py; that, and, iand: Fang et al., "Deep Residual Learning in Spiking Neural Networks"
(NeurIPS 2021), SEW-ResNet; theirs start as the identity by the gain and bias of the last normalization, which here are
1 and 0 as everywhere. or: Shan et al., "OR Residual Connection Achieving Comparable Accuracy to ADD Residual
Connection in Deep Residual Spiking Neural Networks" (2023). vanilla, the sum before the neurons: Zheng et al. 2021
(tdBN). membrane, sums of membranes with neurons before the convolutions: Hu et al., "Advancing Spiking Neural Networks
towards Deep Residual Learning" (2021), MS-ResNet. none: the plain network."""
