"""S-ResNet, the spiking residual network of Vicente-Sola et al. 2022 (doi 10.1088/2634-4386/ac8bef).

Shapes: B samples, T time steps, C channels, H height, W width, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from models.config import NetworkConfig
from models.encoding import ENCODINGS
from models.neuron import Lif
from models.readout import READOUTS
from models.residual import Block, SpikingLayer

INIT_GAIN = 2.0  # authors' model.py, xavier_uniform_


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the network did on a batch."""

    voltage: Tensor
    """Accumulated output voltage after each time step, (B, T, K)."""
    spikes: dict[str, Tensor]
    """Spikes of each layer of neurons at each time step over the batch, (T,) int64."""
    neurons: dict[str, int]
    """Neurons of each layer for one sample."""


class SResNet(nn.Module):
    """6n + 2 weighted layers: a first layer, three stages of n blocks, a linear readout.

    Images (B, C, H, W) are encoded into T steps; event frames (B, T, C, H, W) pass a first layer of stride 2.
    """

    def __init__(self, config: NetworkConfig, *, input_shape: tuple[int, int, int], classes: int, frames: bool) -> None:
        super().__init__()
        if frames and config.encoding != "direct":
            raise ValueError(f"encoding {config.encoding} is for images; event frames need encoding direct")
        self.config, self.input_shape, self.classes, self.frames = config, input_shape, classes, frames
        self.stem = SpikingLayer(config, input_shape[0], config.width, stride=2 if frames else 1)
        widths = [config.width, config.width, 2 * config.width, 4 * config.width]
        self.blocks = nn.Sequential(
            *(
                Block(
                    config, widths[stage if first else stage + 1], widths[stage + 1], stride=2 if first and stage else 1
                )
                for stage in range(3)
                for first in [True] + [False] * (config.blocks - 1)
            )
        )
        self.readout = READOUTS[config.readout](widths[-1], classes)

    def reset_parameters(self, generator: Generator) -> None:
        """Draws all weights anew: Xavier uniform with gain 2, as the authors do."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=INIT_GAIN, generator=generator)

    def forward(self, inputs: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Logits (B, K): the output voltage, averaged over the time steps. `generator` is for Poisson encoding."""
        return self.currents(inputs, generator).sum(1) / self.config.time_steps

    def currents(self, inputs: Tensor, generator: Generator | None) -> Tensor:
        """Current into the output neurons at each time step, (B, T, K)."""
        if not self.frames:
            inputs = ENCODINGS[self.config.encoding](inputs, self.config.time_steps, generator)
        currents: Tensor = self.readout(self.blocks(self.stem(inputs)))
        return currents

    @torch.no_grad()
    def observe(self, inputs: Tensor, *, generator: Generator | None = None) -> Observation:
        """Output voltage after each time step, and every layer's spikes."""
        spikes: dict[str, Tensor] = {}
        neurons: dict[str, int] = {}

        def count(name: str, output: Tensor) -> None:
            spikes[name] = output.count_nonzero((0, 2, 3, 4))
            neurons[name] = output[0, 0].numel()

        layers = [
            (name.removesuffix(".neurons"), layer) for name, layer in self.named_modules() if isinstance(layer, Lif)
        ]
        hooks = [
            layer.register_forward_hook(lambda module, args, output, name=name: count(name, output))
            for name, layer in layers
        ]
        try:
            voltage = self.currents(inputs, generator).cumsum(1)
        finally:
            for hook in hooks:
                hook.remove()
        return Observation(voltage=voltage, spikes=spikes, neurons=neurons)
