"""Counts what goes into each layer while a network computes.

Shapes: T time steps, S stored steps (T, or 1 where all are the same), B samples, C channels, H height, W width,
N values of a sample and step.
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
"""Of each batch every fourth sample is looked at: all of them would cost up to half of the network's time."""
PORTION = 2**20
"""Values that are looked at together: few enough for a processor's cache, enough to be worth a call."""


@contextmanager
def work_of(model: SResNet, *, every: int = _SAMPLE_STRIDE) -> Iterator[dict[str, Work]]:
    """Within it, the work of every layer with weights on each batch that SResNet.observe is given, by name.

    It is counted on the samples 0, `every`, 2 `every`, ... of the batch. An input that is stored once for all steps
    counts at each of them: a network that goes step by step has that work.
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
    """Work of a convolution and what follows it, on its input (S, B, C, H, W)."""
    conv = layer.conv
    paddings = [int(padding) for padding in conv.padding]
    places = zip(values.shape[3:], conv.kernel_size, conv.stride, paddings, strict=True)
    axes = [Axis(*place) for place in places]
    rows, columns = (reach(axis).to(values.device) for axis in axes)
    met = rows @ (conv.weight != 0).sum(0, dtype=torch.float64) @ columns.mT
    dense = conv.in_channels * conv.out_channels * int(rows.sum() * columns.sum())
    outputs = conv.out_channels * axes[0].outputs * axes[1].outputs
    counts = count(values.movedim(2, 4), met.movedim(0, 2))  # as the activations lie in memory
    spiking = isinstance(layer, SpikingLayer)
    return _work(values, counts, dense, repeats=steps // len(values), normalized=outputs, spiking=spiking)


@torch.no_grad()
def of_linear(linear: nn.Linear, means: Tensor) -> Work:
    """Work of the readout on its input (T, B, C)."""
    counts = count(means, (linear.weight != 0).sum(0, dtype=torch.float64))
    return _work(means, counts, linear.weight.numel(), repeats=1, normalized=0, spiking=False)


def of_neurons(currents: Tensor) -> Work:
    """Work of neurons that stand alone, on their currents (T, B, C, H, W): no weights, so no operations."""
    nothing = dict.fromkeys(("inputs", "nonzero", "dense", "binary", "graded", "graded_units", "real", "normalized"), 0)
    return Work(samples=currents.shape[1], neurons=currents.numel(), **nothing)


def _work(values: Tensor, counts: "Counter[str]", dense: int, *, repeats: int, normalized: int, spiking: bool) -> Work:
    """`dense` and `normalized` are those of one sample and step, the counts those of all of `values` (S, B, ...)."""
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
    """Whether an input meets a place of the kernel, (size, kernel) of 0 and 1, float64.

    At the border, and under a stride, an input meets fewer places.
    """
    shifted = torch.arange(axis.size).unsqueeze(1) + axis.padding - torch.arange(axis.kernel)
    output = shifted // axis.stride
    return ((shifted % axis.stride == 0) & (output >= 0) & (output < axis.outputs)).double()


def count(values: Tensor, met: Tensor) -> "Counter[str]":
    """Nonzero values of (S, B, ...), operations by kind, and units of the graded.

    `met` (...) is how many weights a value meets, float64.
    """
    flat, met = values.flatten(2), met.flatten()
    portions = flat.split(max(1, PORTION // flat[0].numel()))
    return sum((_count(portion, met) for portion in portions), start=Counter())


def _count(values: Tensor, met: Tensor) -> "Counter[str]":
    """The same of (S, B, N), all steps at a time. Sums are of whole numbers in floats that hold them exactly."""
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
    """Of each step of (S, B, N); `present` is 1 where a value is not 0. Binary is NeuroBench's: only -1, 0 and 1."""
    some = values[:, 0]
    if bool((some != some.round()).any(1).all()):  # most real inputs show it in one sample
        return ["real"] * len(values)
    strange = (values - present).flatten(1).unsqueeze(1)
    same = (strange @ strange.mT).flatten() == 0  # a sum of squares is 0 only if nothing differs
    return ["binary" if ones else _kind(step) for step, ones in zip(values, same.tolist(), strict=True)]


def _kind(values: Tensor) -> Kind:
    if not torch.equal(values.round(), values):
        return "real"
    return "binary" if values.abs().amax() <= 1 else "graded"


def over_samples(values: Tensor) -> Tensor:
    """Sums of (S, B, N) over the samples, (S, N) float64. A product with ones is the fastest form."""
    return (values.new_ones(1, values.shape[1]) @ values).squeeze(1).double()
