"""Finds the spikes that differ between two computations of one network.

A spike is the result of a comparison: a rounding difference in the last bit of a membrane can flip it, and then change
everything after it. Flips are therefore counted twice: alone, where each layer gets its inputs of the more exact
computation, which shows the differences of the layer itself; and free, where each network runs by itself.
The margin of a flip is |membrane / threshold - 1| before the reset, in the more exact computation: about the rounding
error if both are right, larger if one is wrong.
Shapes: T time steps, S stored steps, B samples, C channels, H height, W width.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.config import NetworkConfig
from models.hooks import fired, layer_hooks
from models.kernels.choice import IMPLEMENTATIONS, implementation
from models.kernels.operation import normalize_and_fire
from models.neuron import THRESHOLD, lif_step
from models.normalization import share_of_batch
from models.precision import set_precision
from models.residual import SpikingLayer, each_step
from models.sresnet import SResNet


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A spike that only one of two computations has."""

    step: int
    sample: int
    channel: int
    row: int
    column: int
    margin: float


@dataclass(frozen=True, kw_only=True)
class LayerFlips:
    """The flips of one layer."""

    layer: str
    neurons: int
    """Number of neurons, summed over samples."""
    spikes: int
    """Spikes of the more exact computation over all steps."""
    flips: tuple[int, ...]
    """Flips at each time step."""
    first: Flip | None
    """The first flip, by step, then sample, channel, row and column."""
    greatest_margin: float
    """Over each neuron's first flip; later flips of a neuron can be caused by the reset after the first."""

    @property
    def rate(self) -> float:
        """Flips per neuron and time step."""
        return sum(self.flips) / (self.neurons * len(self.flips))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Flips of all layers, in the order of computation."""

    alone: tuple[LayerFlips, ...]
    """Each layer with the inputs of the more exact computation."""
    free: tuple[LayerFlips, ...]
    """Each network by itself."""


def first_flip(layers: Sequence[LayerFlips]) -> tuple[str, Flip] | None:
    """The first layer with flips, and its first flip; None without flips."""
    return next(((layer.layer, layer.first) for layer in layers if layer.first), None)


def rate(layers: Sequence[LayerFlips]) -> float:
    """Flips per neuron and time step over all layers."""
    return sum(sum(layer.flips) for layer in layers) / sum(layer.neurons * len(layer.flips) for layer in layers)


def by_step(layers: Sequence[LayerFlips]) -> list[int]:
    """Flips of each time step over all layers."""
    return [sum(step) for step in zip(*(layer.flips for layer in layers), strict=True)]


@torch.no_grad()
def compare(
    exact: SResNet,
    other: SResNet,
    inputs: Tensor,
    *,
    implementations: tuple[str | None, str | None] = (None, None),
    seed: int = 0,
) -> Comparison:
    """Runs both networks on the same inputs, each with its implementation (None: the device's), in its current mode.

    Does not update running statistics. `seed` is for Poisson encoding. Raises ValueError if the configurations differ
    in more than the precision, or have parts for which a layer cannot be compared alone.
    """
    if replace(exact.config, precision=other.config.precision) != other.config:
        raise ValueError(f"two different networks: {exact.config} and {other.config}")
    if refused := _unwatchable(exact.config):
        raise ValueError(
            f"spikes can be compared only if neurons are part of a layer that the fused kernels compute; {refused}"
        )
    by_device = IMPLEMENTATIONS.get(inputs.device.type, "reference")
    ours, theirs = (name or by_device for name in implementations)
    layers, dtype = dict(other.named_modules()), other.activations()
    spikes_of_other: dict[str, Tensor] = {}
    alone: list[LayerFlips] = []
    free: list[LayerFlips] = []

    def note(name: str, layer: SpikingLayer, given: tuple[Tensor, ...], output: Tensor) -> None:
        spikes_of_other[name] = fired(given, output)

    def note_flips(name: str, layer: SpikingLayer, given: tuple[Tensor, ...], output: Tensor) -> None:
        spikes, inputs_of_other = fired(given, output), tuple(value.to(dtype) for value in given)
        set_precision(other.config.precision)
        with implementation(theirs):
            # forward() skips the hooks, because `exact` and `other` may be the same network.
            by_itself = fired(inputs_of_other, layers[name].forward(*inputs_of_other))
        set_precision(exact.config.precision)
        for found, compared in ((alone, by_itself), (free, spikes_of_other.pop(name))):
            found.append(flips_of(name, spikes, compared, lambda: distances(layer, given[0])))

    for model, name, hook in ((other, theirs, note), (exact, ours, note_flips)):
        generator = torch.Generator(inputs.device).manual_seed(seed)
        with share_of_batch(0), implementation(name), layer_hooks(model, SpikingLayer, hook):
            model.before_readout(inputs, generator)
    return Comparison(alone=tuple(alone), free=tuple(free))


def _unwatchable(config: NetworkConfig) -> str | None:
    """The first part of a configuration for which a layer of neurons cannot be compared alone, or None."""
    known: dict[str, tuple[str, ...]] = {
        "neuron": ("lif",),
        "reset": ("subtract",),
        "leak_trained": ("never",),
        "shortcut": ("spike-add", "and", "iand", "or", "none"),
    }
    parts = {name: getattr(config, name) for name in known}
    return next((f"not with {name} {part}" for name, part in parts.items() if part not in known[name]), None)


def distances(layer: SpikingLayer, values: Tensor) -> Tensor:
    """|membrane / threshold - 1| of each neuron before the reset, (T, B, C, H, W), from the layer's input."""
    currents = each_step(layer.conv, values)
    driving = normalize_and_fire(
        currents,
        *layer.norm(currents, layer.steps),
        steps=layer.steps,
        skip=None,
        leak=None,
        surrogate=layer.surrogate,
    )
    assert layer.leak is not None, "a layer of neurons"
    membrane, before_reset = torch.zeros_like(driving[0]), []
    for current in driving:
        before_reset.append(layer.leak * membrane + current)
        _, membrane = lif_step(current, membrane, layer.leak, layer.surrogate)
    return (torch.stack(before_reset) / THRESHOLD - 1.0).abs()


def flips_of(name: str, spikes: Tensor, others: Tensor, margins: Callable[[], Tensor]) -> LayerFlips:
    """The flips between two spike tensors (T, B, C, H, W); margins, of the same shape, are computed only if needed."""
    flipped = spikes != others
    first, greatest = None, 0.0
    if flipped.any():
        margin = margins()
        place = torch.unravel_index(flipped.flatten().int().argmax(), flipped.shape)  # argmax returns the first
        step, sample, channel, row, column = (int(index) for index in place)
        first = Flip(step=step, sample=sample, channel=channel, row=row, column=column, margin=float(margin[place]))
        greatest = float(margin[flipped & (flipped.cumsum(0) == 1)].max())
    return LayerFlips(
        layer=name,
        neurons=spikes[0].numel(),
        spikes=int(spikes.sum()),
        flips=tuple(flipped.sum((1, 2, 3, 4)).tolist()),
        first=first,
        greatest_margin=greatest,
    )


def in_precision(model: SResNet, precision: str) -> SResNet:
    """A copy of the network that computes in `float64`, `float32` or `bfloat16`, in the same mode."""
    twin = copy.deepcopy(model).to(torch.float64 if precision == "float64" else torch.float32)
    twin.config = replace(model.config, precision="bfloat16" if precision == "bfloat16" else "float32")
    return twin


def pair(model: SResNet, against: str) -> tuple[SResNet, SResNet, tuple[str | None, str | None]]:
    """The more exact computation, the other one, and their implementations.

    `reference`: reference kernels against the device's. `float64`: reference kernels in float64 against the device's in
    float32. `bfloat16`: float32 against bfloat16, both with the device's kernels.
    """
    single = in_precision(model, "float32")
    if against == "bfloat16":
        return single, in_precision(model, "bfloat16"), (None, None)
    exact = in_precision(model, "float64") if against == "float64" else single
    return exact, single, ("reference", None)


def flip_table(comparison: Comparison) -> str:
    """A table with one line per layer, then the flips of each time step over all layers, then the first flips."""
    form = "{:<18}{:>11}{:>13}{:>9}{:>6}{:>9}{:>10}{:>12}{:>10}"
    lines = [form.format("layer", "spikes", "alone: flips", "ppm", "step", "margin", "greatest", "free: flips", "ppm")]
    for alone, free in zip(comparison.alone, comparison.free, strict=True):
        first = (
            (alone.first.step, f"{alone.first.margin:.1e}", f"{alone.greatest_margin:.1e}") if alone.first else "---"
        )
        ours, theirs = ((sum(part.flips), f"{1e6 * part.rate:.1f}") for part in (alone, free))
        lines.append(form.format(alone.layer, alone.spikes, *ours, *first, *theirs))
    totals = [(sum(sum(part.flips) for part in parts), f"{1e6 * rate(parts):.1f}") for parts in _both(comparison)]
    spikes = sum(part.spikes for part in comparison.alone)
    lines.append(form.format("all", spikes, *totals[0], "", "", "", *totals[1]))
    for name, parts in zip(("alone", "free"), _both(comparison), strict=True):
        lines.append(f"{name}, flips of each time step: {' '.join(map(str, by_step(parts)))}")
        lines.append(f"{name}, first flip: {flip_text(first_flip(parts))}")
    return "\n".join(lines)


def _both(comparison: Comparison) -> tuple[tuple[LayerFlips, ...], tuple[LayerFlips, ...]]:
    return comparison.alone, comparison.free


def flip_text(found: tuple[str, Flip] | None) -> str:
    if found is None:
        return "none"
    layer, flip = found
    pixel = f"channel {flip.channel}, row {flip.row}, column {flip.column}"
    return f"{layer}, step {flip.step}, sample {flip.sample}, {pixel}, margin {flip.margin:.1e}"
