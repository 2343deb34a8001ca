"""Residual blocks of two spiking layers. Shapes: B samples, T time steps, C channels, H height, W width."""

from collections.abc import Callable

from torch import Tensor, nn

from models.config import NetworkConfig
from models.neuron import Lif
from models.normalization import NORMALIZATIONS


class SpikingLayer(nn.Module):
    """Convolution, normalization, neurons: (B, T, C, H, W) to spikes (B, T, C', H', W')."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm = NORMALIZATIONS[config.normalization](outputs, config.time_steps)
        self.neurons = Lif(config.leak, config.surrogate)

    def forward(self, values: Tensor) -> Tensor:
        spikes: Tensor = self.neurons(self.norm(each_step(self.conv, values)))
        return spikes


class Downsampling(nn.Module):
    """The skip into a stage of half the size: 1x1 convolution and normalization without a neuron, so real-valued."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.norm = NORMALIZATIONS[config.normalization](outputs, config.time_steps)

    def forward(self, values: Tensor) -> Tensor:
        currents: Tensor = self.norm(each_step(self.conv, values))
        return currents


class Block(nn.Module):
    """Two spiking layers and a skip, joined as `shortcut` says."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = SpikingLayer(config, inputs, outputs, stride=stride)
        self.second = SpikingLayer(config, outputs, outputs, stride=1)
        self.skip = nn.Identity() if stride == 1 else Downsampling(config, inputs, outputs)
        self.join = SHORTCUTS[config.shortcut]

    def forward(self, values: Tensor) -> Tensor:
        return self.join(self.second(self.first(values)), self.skip(values))


def spike_add(spikes: Tensor, skip: Tensor) -> Tensor:
    """Spikes + skip, which is the next input and the next skip, so values grow. Source: the authors' model.py."""
    return spikes + skip


SHORTCUTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"spike-add": spike_add}


def each_step(conv: nn.Conv2d, values: Tensor) -> Tensor:
    """The convolution of each time step of (B, T, C, H, W), time folded into the batch.

    A time dimension of stride 0 (an image shown at every step) is convolved once.
    """
    if values.shape[1] > 1 and values.stride(1) == 0:
        once: Tensor = conv(values[:, 0]).unsqueeze(1)
        return once.expand(-1, values.shape[1], -1, -1, -1)
    currents: Tensor = conv(values.flatten(0, 1))
    return currents.unflatten(0, values.shape[:2])
