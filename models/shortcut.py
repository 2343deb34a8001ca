"""Residual shortcuts, by name: how a block combines its second layer with its skip, and where its neurons are.

Shapes: T time steps, B samples, C channels, H height, W width.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Second = Callable[..., Tensor]
"""A block's second layer; called with its input, or with its input and a skip to add."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """One kind of residual block."""

    join: Callable[[Second, Tensor, Tensor], Tensor]
    """Output (T, B, C, H, W) from the second layer, its input and the skip."""
    skips: bool = True
    second_fires: bool = True
    """Whether the second layer has neurons."""
    fires_first: bool = False
    """Whether a block starts with neurons because its input is membranes; then neurons precede the readout too."""
    fires_last: bool = False
    """Whether a block ends with neurons, after the sum."""


def _add(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """Second layer + skip."""
    return second(between, skip)


def _and(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """A spike where both the second layer and the skip have one."""
    return second(between) * skip


def _iand(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """A spike where the skip has one and the second layer has none."""
    return (1.0 - second(between)) * skip


def _or(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """A spike where the second layer or the skip has one."""
    spikes = second(between)
    return spikes + skip - spikes * skip


def _second_only(second: Second, between: Tensor, skip: Tensor) -> Tensor:
    """The second layer alone."""
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
"""Sources. spike-add: the authors' model.py. spike-add, and, iand: Fang et al., "Deep Residual Learning in Spiking
Neural Networks" (NeurIPS 2021), SEW-ResNet; they initialize the last normalization's gain and bias so that a block
starts as the identity, here they are 1 and 0 as in every layer. or: Shan et al., "OR Residual Connection Achieving
Comparable Accuracy to ADD Residual Connection in Deep Residual Spiking Neural Networks" (2023). vanilla (sum before the
neurons): Zheng et al. 2021 (tdBN). membrane (sum of membranes, neurons before the convolutions): Hu et al., "Advancing
Spiking Neural Networks towards Deep Residual Learning" (2021), MS-ResNet. none: the plain network."""
