"""Hooks that observe the inputs and outputs of a network's layers while it computes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import UnionType
from typing import Any

from torch import Tensor, nn

Kinds = type[nn.Module] | UnionType
"""A class of layers, or a union of classes."""


@contextmanager
def layer_hooks(model: nn.Module, kinds: Kinds, hook: Callable[..., Any], *, before: bool = False) -> Iterator[None]:
    """Within the block, calls `hook` for each layer of these kinds with its name, the layer, its inputs and its output.

    With `before`, calls it before the layer computes, without the output.
    """
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, kinds)]
    handles = [
        layer.register_forward_pre_hook(partial(hook, name))
        if before
        else layer.register_forward_hook(partial(hook, name))
        for name, layer in layers
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def fired(inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Whether each neuron fired, (T, B, C, H, W), from a layer's inputs (values, optionally a skip) and output."""
    _, *skip = inputs
    return output != skip[0] if skip else output != 0
