"""Residual blocks of two layers.

Shapes: T time steps, S stored steps (T, or 1 if all are the same), B samples, C channels, H height, W width.
"""

import contextlib

from torch import Tensor, nn
from torch.nn.functional import conv2d

from .config import NetworkConfig
from .kernels.operation import normalize_and_fire, recomputed_in_backward
from .neuron import Neurons, surrogate_of
from .normalization import NORMALIZATIONS, TdBn, Unnormalized
from .shortcut import SHORTCUTS


class Layer(nn.Module):
    """Convolution and normalization: (S, B, C, H, W) to (T, B, C', H', W') of real values."""

    leak: float | None = None
    """Leak of the neurons that the fused kernels compute with the normalization; None without such neurons."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = NORMALIZATIONS[config.normalization](outputs, config.time_steps)
        self.steps, self.surrogate = config.time_steps, surrogate_of(config)

    def forward(self, values: Tensor, skip: Tensor | None = None) -> Tensor:
        """The layer's output, plus the skip (T, B, C', H', W') if there is one."""
        currents = each_step(self.conv, values)
        return normalize_and_fire(
            currents,
            *self.norm(currents, self.steps),
            steps=self.steps,
            skip=skip,
            leak=self.leak,
            surrogate=self.surrogate,
        )


class SpikingLayer(Layer):
    """Convolution, normalization, neurons: (S, B, C, H, W) to spikes (T, B, C', H', W')."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, kernel: int = 3, stride: int) -> None:
        super().__init__(config, inputs, outputs, kernel=kernel, stride=stride)
        self.neurons = Neurons(config, outputs)
        self.leak = config.leak if self.neurons.fused else None

    def forward(self, values: Tensor, skip: Tensor | None = None) -> Tensor:
        if self.neurons.fused:
            return super().forward(values, skip)
        spikes: Tensor = self.neurons(super().forward(values))
        return spikes if skip is None else spikes + skip


class Firing(nn.Module):
    """Neurons alone: currents (T, B, C, H, W) to spikes of the same shape."""

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        super().__init__()
        self.neurons, self.identity = Neurons(config, channels), Unnormalized(channels, config.time_steps)

    def forward(self, currents: Tensor) -> Tensor:
        neurons = self.neurons
        if not neurons.fused:
            spikes: Tensor = neurons(currents)
            return spikes
        return normalize_and_fire(
            currents,
            *self.identity(currents, len(currents)),
            steps=len(currents),
            skip=None,
            leak=neurons.leak,
            surrogate=neurons.surrogate,
        )


class Downsampling(Layer):
    """The skip into a stage of half the size: 1x1 convolution and normalization without neurons, so real-valued."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int) -> None:
        super().__init__(config, inputs, outputs, kernel=1, stride=2)


class SpikingDownsampling(SpikingLayer):
    """Downsampling with neurons. Fang et al. 2021 (SEW-ResNet)."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int) -> None:
        super().__init__(config, inputs, outputs, kernel=1, stride=2)


DOWNSAMPLINGS: dict[str, type[Downsampling] | type[SpikingDownsampling]] = {
    "real": Downsampling,
    "spiking": SpikingDownsampling,
}
"""By the name in `downsampling` of a NetworkConfig."""


class Block(nn.Module):
    """Two layers and a shortcut (models/shortcut.py). With spike-add, the sum of spikes and skip is the next block's
    input and skip, so values grow from block to block. Source: the authors' model.py."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.shortcut = SHORTCUTS[config.shortcut]
        self.enter = Firing(config, inputs) if self.shortcut.fires_first else nn.Identity()
        self.first = SpikingLayer(config, inputs, outputs, stride=stride)
        if self.shortcut.second_fires:
            self.second: Layer = SpikingLayer(config, outputs, outputs, stride=1)
        else:
            self.second = Layer(config, outputs, outputs, kernel=3, stride=1)
        down = stride > 1 and self.shortcut.skips
        self.skip = DOWNSAMPLINGS[config.downsampling](config, inputs, outputs) if down else nn.Identity()
        self.leave = Firing(config, outputs) if self.shortcut.fires_last else nn.Identity()
        if self.shortcut.fires_last:
            for branch in (self.second, self.skip):
                if isinstance(branch, Layer) and isinstance(branch.norm, TdBn):
                    branch.norm.scale_for_sum()

    def forward(self, values: Tensor, *, keep_spikes: bool = True) -> Tensor:
        """(S, B, C, H, W) to (T, B, C', H', W').

        Without `keep_spikes`, backward recomputes the spikes between the two layers, if fused kernels computed them.
        """
        between, skip = self.first(self.enter(values)), self.skip(values)
        keep = keep_spikes or not between.requires_grad or not self.first.neurons.fused
        with contextlib.nullcontext() if keep else recomputed_in_backward(between):
            joined = self.shortcut.join(self.second, between, skip)
        output: Tensor = self.leave(joined)
        return output


def each_step(conv: nn.Conv2d, values: Tensor) -> Tensor:
    """Convolution of each stored step of (S, B, C, H, W), with time folded into the batch, in the values' type."""
    weight = conv.weight.to(values.dtype)
    currents = conv2d(values.flatten(0, 1), weight, stride=conv.stride, padding=conv.padding)
    return currents.unflatten(0, values.shape[:2])
