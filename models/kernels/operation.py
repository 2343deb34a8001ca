"""Normalization through time, leaky integrate-and-fire neurons and the sum with the skip as one autograd operation.

    y[t] = gain[t] (currents[t] - mean[t]) / sqrt(var[t] + epsilon) + bias[t]
    output[t] = spikes of the neurons that y drives (models/neuron.py) + skip[t]

Backward keeps only the currents, which are the convolution's output anyway, and recomputes the membranes.
Shapes: T time steps, S stored steps (T, or 1 if all are the same), B samples, C channels, H height, W width,
P = B H W pixels, G sets of parameters (T, or 1 for all steps).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..surrogate import Surrogate
from .choice import chosen


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Mean and variance by which the currents are normalized."""

    mean: Tensor
    """(G, C)."""
    inverse: Tensor
    """1 / sqrt(var + epsilon), (G, C)."""
    count: int
    """Number of values behind each mean; 0 for running statistics, which do not depend on the currents."""


def normalize_and_fire(
    currents: Tensor,
    gain: Tensor,
    bias: Tensor,
    statistics: Statistics,
    *,
    steps: int,
    skip: Tensor | None,
    leak: float | None,
    surrogate: Surrogate,
) -> Tensor:
    """Spikes + skip, (T, B, C, H, W); with `leak` None there are no neurons: normalized currents + skip.

    `currents` (S, B, C, H, W), `gain` and `bias` (G, C), `skip` (T, B, C, H, W). Gain and bias may be per step even if
    mean and variance are shared by all steps.
    """
    output: Tensor = NormalizeAndFire.apply(currents, skip, gain, bias, statistics, steps, leak, surrogate)
    return output


@contextlib.contextmanager
def recomputed_in_backward(output: Tensor) -> Iterator[None]:
    """Within the block, autograd does not keep the operation's output: backward recomputes it from the currents."""
    node, place = output.grad_fn, output.data_ptr()

    def pack(saved: Tensor) -> Tensor | torch.Size:
        return saved.shape if saved.data_ptr() == place else saved

    def unpack(kept: Tensor | torch.Size) -> Tensor:
        return kept if isinstance(kept, Tensor) else NormalizeAndFire.output_of(node).reshape(kept)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def flat(values: Tensor) -> Tensor:
    """(T, B, C, H, W) as (T, P, C); a view, no copy, if the tensor is in MEMORY_FORMAT (channels last)."""
    return values.permute(0, 1, 3, 4, 2).flatten(1, 3)


def unflat(values: Tensor, like: Tensor) -> Tensor:
    """(T, P, C) as (T, B, C, H, W), with B, H and W of `like`."""
    samples, _, height, width = like.shape[1:]
    return values.view(len(values), samples, height, width, -1).permute(0, 1, 4, 2, 3)


class NormalizeAndFire(torch.autograd.Function):
    """The operation as an autograd function; its kernels work on (T, P, C)."""

    @staticmethod
    def forward(
        ctx: Any,
        currents: Tensor,
        skip: Tensor | None,
        gain: Tensor,
        bias: Tensor,
        statistics: Statistics,
        steps: int,
        leak: float | None,
        surrogate: Surrogate,
    ) -> Tensor:
        ctx.passes = chosen(currents, surrogate.shape)
        ctx.statistics, ctx.leak, ctx.surrogate = statistics, leak, surrogate
        scale = (gain * statistics.inverse).expand(steps, -1).contiguous()
        shift = (bias - statistics.mean * gain * statistics.inverse).expand(steps, -1).contiguous()
        ctx.save_for_backward(currents, gain, scale, shift)
        fired = ctx.passes.fire(flat(currents), scale, shift, None if skip is None else flat(skip), leak)
        return unflat(fired, currents)

    @staticmethod
    def output_of(node: Any) -> Tensor:
        """The output of an autograd node without a skip, recomputed."""
        currents, _, scale, shift = node.saved_tensors
        return unflat(node.passes.fire(flat(currents), scale, shift, None, node.leak), currents)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved, gain, scale, shift = ctx.saved_tensors
        statistics, currents, grad = ctx.statistics, flat(saved), flat(grads[0]).contiguous()
        mean = statistics.mean.expand_as(scale).contiguous()
        driven, total, centred = ctx.passes.fire_backward(grad, currents, scale, shift, mean, ctx.leak, ctx.surrogate)
        total, centred = by_set(total, gain), by_set(centred, gain)
        slope, offset = influence(scale, mean, statistics, total, centred)
        grad_currents = unflat(ctx.passes.combine(driven, currents, scale, slope, offset), saved)
        grad_skip = grads[0] if ctx.needs_input_grad[1] else None
        return grad_currents, grad_skip, centred * statistics.inverse, total, None, None, None, None


def by_set(sums: Tensor, gain: Tensor) -> Tensor:
    """Per-step sums (T, C) as sums per set of parameters (G, C)."""
    return sums if len(gain) == len(sums) else sums.sum(0, keepdim=True)


def influence(
    scale: Tensor, mean: Tensor, statistics: Statistics, total: Tensor, centred: Tensor
) -> tuple[Tensor, Tensor]:
    """Slope and offset, each (T, C): the gradient through mean and variance is slope * currents + offset."""
    if not statistics.count:
        return torch.zeros_like(scale), torch.zeros_like(scale)
    slope = -scale * statistics.inverse.square() * centred / statistics.count
    level = -scale * total / statistics.count
    if len(statistics.mean) < len(total):  # all steps share one mean and variance, which get a gradient from each step
        slope, level = (part.sum(0, keepdim=True).expand_as(scale).contiguous() for part in (slope, level))
    return slope, level - slope * mean
