"""Shows what goes into the layers of a network while it computes, and what comes out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import UnionType
from typing import Any

from torch import Tensor, nn

Kinds = type[nn.Module] | UnionType
"""A class of layers, or a union of classes."""


@contextmanager
def layer_hooks(model: nn.Module, kinds: Kinds, look: Callable[..., Any], *, before: bool = False) -> Iterator[None]:
    """Within it, `look` is given the name of each layer of these kinds, the layer, its inputs and its output.

    With `before` it is called before the layer computes, without the output.
    """
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, kinds)]
    hooks = [
        layer.register_forward_pre_hook(partial(look, name))
        if before
        else layer.register_forward_hook(partial(look, name))
        for name, layer in layers
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def fired(inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Whether each neuron fired, (T, B, C, H, W), from a layer's inputs (values, and maybe a skip) and output."""
    _, *skip = inputs
    return output != skip[0] if skip else output != 0
