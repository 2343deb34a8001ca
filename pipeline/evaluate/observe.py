"""Counts the inputs of each layer, and the operations that they cause, while a network computes.

Shapes: T time steps, S stored steps (T, or 1 if all are the same), B samples, C channels, H height, W width,
N values per sample and step.
"""

import functools
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.hooks import layer_hooks
from models.residual import Firing, Layer, SpikingLayer
from models.sresnet import SResNet
from pipeline.evaluate.operations import Kind, Work

_SAMPLE_STRIDE = 4
"""Only every fourth sample of a batch is counted: counting all would add up to half of the network's time."""
PORTION = 2**20
"""Values that are processed together: few enough for the CPU cache, enough to amortize the call overhead."""


@contextmanager
def work_of(model: SResNet, *, every: int = _SAMPLE_STRIDE) -> Iterator[dict[str, Work]]:
    """Within the block, sums the work of every layer with weights, by name, over all forward passes of the model.

    It is counted on samples 0, `every`, 2 `every`, ... of each batch. An input that is stored once for all steps counts
    at each step, as in a network that computes step by step.
    """
    work: dict[str, Work] = {}

    def note(name: str, done: Work) -> None:
        work[name] = work[name] + done if name in work else done

    def see_layer(name: str, layer: Layer, inputs: tuple[Tensor, ...]) -> None:
        note(name, of_layer(layer, inputs[0][:, ::every], model.config.time_steps))

    def see_neurons(name: str, _: Firing, inputs: tuple[Tensor, ...]) -> None:
        note(name, of_neurons(inputs[0][:, ::every]))

    def see_readout(_: str, linear: nn.Linear, inputs: tuple[Tensor, ...]) -> None:
        note("readout", of_linear(linear, inputs[0][:, ::every]))

    with ExitStack() as stack:
        for kind, see in ((Layer, see_layer), (Firing, see_neurons), (nn.Linear, see_readout)):
            stack.enter_context(layer_hooks(model, kind, see, before=True))
        yield work


@torch.no_grad()
def of_layer(layer: Layer, values: Tensor, steps: int) -> Work:
    """Work of a convolution with its normalization and neurons, on its input (S, B, C, H, W)."""
    conv = layer.conv
    paddings = [int(padding) for padding in conv.padding]
    places = zip(values.shape[3:], conv.kernel_size, conv.stride, paddings, strict=True)
    axes = [Axis(*place) for place in places]
    rows, columns = (reach(axis).to(values.device) for axis in axes)
    met = rows @ (conv.weight != 0).sum(0, dtype=torch.float64) @ columns.mT
    dense = conv.in_channels * conv.out_channels * int(rows.sum() * columns.sum())
    outputs = conv.out_channels * axes[0].outputs * axes[1].outputs
    counts = count(values.movedim(2, 4), met.movedim(0, 2))  # in the memory order of the activations
    spiking = isinstance(layer, SpikingLayer)
    return _work(values, counts, dense, repeats=steps // len(values), normalized=outputs, spiking=spiking)


@torch.no_grad()
def of_linear(linear: nn.Linear, means: Tensor) -> Work:
    """Work of the readout on its input (T, B, C)."""
    counts = count(means, (linear.weight != 0).sum(0, dtype=torch.float64))
    return _work(means, counts, linear.weight.numel(), repeats=1, normalized=0, spiking=False)


def of_neurons(currents: Tensor) -> Work:
    """Work of neurons without a convolution, on their currents (T, B, C, H, W): no weights, so no operations."""
    nothing = dict.fromkeys(("inputs", "nonzero", "dense", "binary", "graded", "graded_units", "real", "normalized"), 0)
    return Work(samples=currents.shape[1], neurons=currents.numel(), **nothing)


def _work(values: Tensor, counts: "Counter[str]", dense: int, *, repeats: int, normalized: int, spiking: bool) -> Work:
    """Work from counts over all of `values` (S, B, ...); `dense` and `normalized` are per sample and step."""
    seen = values.shape[0] * values.shape[1] * repeats
    return Work(
        samples=values.shape[1],
        inputs=values.numel() * repeats,
        nonzero=counts["nonzero"] * repeats,
        dense=dense * seen,
        binary=counts["binary"] * repeats,
        graded=counts["graded"] * repeats,
        graded_units=counts["units"] * repeats,
        real=counts["real"] * repeats,
        normalized=normalized * seen,
        neurons=normalized * seen if spiking else 0,
    )


class Axis(NamedTuple):
    """Height or width of a convolution's input."""

    size: int
    kernel: int
    stride: int
    padding: int

    @property
    def outputs(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1


@functools.cache
def reach(axis: Axis) -> Tensor:
    """Whether each input position is multiplied by each kernel position, (size, kernel) of 0 and 1, float64.

    At the border, and with a stride, an input is multiplied by fewer kernel positions.
    """
    shifted = torch.arange(axis.size).unsqueeze(1) + axis.padding - torch.arange(axis.kernel)
    output = shifted // axis.stride
    return ((shifted % axis.stride == 0) & (output >= 0) & (output < axis.outputs)).double()


def count(values: Tensor, met: Tensor) -> "Counter[str]":
    """Number of nonzero values of (S, B, ...), operations by kind, and units of graded ones (Work.graded_units).

    `met` (...), float64, is the number of nonzero weights that each value is multiplied by.
    """
    flat, met = values.flatten(2), met.flatten()
    portions = flat.split(max(1, PORTION // flat[0].numel()))
    return sum((_count(portion, met) for portion in portions), start=Counter())


def _count(values: Tensor, met: Tensor) -> "Counter[str]":
    """As `count`, for (S, B, N) at once. Sums are integers that the float types represent exactly."""
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    present = torch.ne(values, 0, out=torch.empty_like(values))  # faster than a comparison and a conversion
    hits = over_samples(present)
    counts = Counter(nonzero=int(hits.sum()))
    kinds = kinds_of(values, present)
    for step, kind, operations in zip(values, kinds, (hits @ met).tolist(), strict=True):
        counts[kind] += int(operations)
        if kind == "graded":
            counts["units"] += int((over_samples(step.abs().unsqueeze(0)) @ met).item())
    return counts


def kinds_of(values: Tensor, present: Tensor) -> list[Kind]:
    """Kind of each step of (S, B, N); `present` is 1 where a value is not 0.

    Binary, as in NeuroBench: only -1, 0, 1.
    """
    some = values[:, 0]
    if bool((some != some.round()).any(1).all()):  # fast path: for most real inputs, one sample suffices
        return ["real"] * len(values)
    strange = (values - present).flatten(1).unsqueeze(1)
    same = (strange @ strange.mT).flatten() == 0  # a sum of squares is 0 only if nothing differs
    return ["binary" if ones else _kind(step) for step, ones in zip(values, same.tolist(), strict=True)]


def _kind(values: Tensor) -> Kind:
    if not torch.equal(values.round(), values):
        return "real"
    return "binary" if values.abs().amax() <= 1 else "graded"


def over_samples(values: Tensor) -> Tensor:
    """Sums of (S, B, N) over the samples, (S, N) float64. A matrix product with ones is fastest."""
    return (values.new_ones(1, values.shape[1]) @ values).squeeze(1).double()
