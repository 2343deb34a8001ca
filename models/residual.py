"""Residual blocks of two spiking layers.

Shapes: T time steps, S stored steps (T, or 1 where all are the same), B samples, C channels, H height, W width.
"""

import contextlib

from torch import Tensor, nn
from torch.nn.functional import conv2d

from models.config import NetworkConfig
from models.kernels.operation import made_again, normalize_and_fire
from models.normalization import NORMALIZATIONS


class Layer(nn.Module):
    """Convolution and normalization: (S, B, C, H, W) to (T, B, C', H', W') of real values."""

    leak: float | None = None

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = NORMALIZATIONS[config.normalization](outputs, config.time_steps)
        self.steps, self.surrogate = config.time_steps, config.surrogate

    def forward(self, values: Tensor, skip: Tensor | None = None) -> Tensor:
        """With a skip (T, B, C', H', W'), the sum with it."""
        currents = each_step(self.conv, values)
        return normalize_and_fire(
            currents,
            self.norm.gain * self.norm.scale,
            self.norm.bias,
            self.norm.statistics(currents, self.steps),
            steps=self.steps,
            skip=skip,
            leak=self.leak,
            surrogate=self.surrogate,
        )


class SpikingLayer(Layer):
    """Convolution, normalization, neurons: (S, B, C, H, W) to spikes (T, B, C', H', W')."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__(config, inputs, outputs, kernel=3, stride=stride)
        self.leak = config.leak


class Downsampling(Layer):
    """The skip into a stage of half the size: 1x1 convolution and normalization without a neuron, so real-valued."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int) -> None:
        super().__init__(config, inputs, outputs, kernel=1, stride=2)


class Block(nn.Module):
    """Two spiking layers; their spikes and the skip are added, which is the next input and the next skip, so values
    grow (the shortcut spike-add). Source: the authors' model.py."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = SpikingLayer(config, inputs, outputs, stride=stride)
        self.second = SpikingLayer(config, outputs, outputs, stride=1)
        self.skip = nn.Identity() if stride == 1 else Downsampling(config, inputs, outputs)

    def forward(self, values: Tensor, *, keep_spikes: bool = True) -> Tensor:
        """(S, B, C, H, W) to (T, B, C', H', W').

        Spikes between the two layers that are not kept are made again in backward.
        """
        between, skip = self.first(values), self.skip(values)
        with contextlib.nullcontext() if keep_spikes or not between.requires_grad else made_again(between):
            joined: Tensor = self.second(between, skip)
        return joined


def each_step(conv: nn.Conv2d, values: Tensor) -> Tensor:
    """The convolution of each stored step of (S, B, C, H, W), time folded into the batch, in the type of the values."""
    weight = conv.weight.to(values.dtype)
    currents = conv2d(values.flatten(0, 1), weight, stride=conv.stride, padding=conv.padding)
    return currents.unflatten(0, values.shape[:2])
