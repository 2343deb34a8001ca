"""S-ResNet, the spiking residual network of Vicente-Sola et al. 2022 (doi 10.1088/2634-4386/ac8bef).

Shapes: B samples, T time steps, C channels, H height, W width, K classes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.config import NetworkConfig
from models.encoding import ENCODINGS
from models.hooks import fired, layer_hooks
from models.initialization import INITIALIZATIONS
from models.kernels.choice import MEMORY_FORMAT, current_choice
from models.normalization import share_of_batch
from models.precision import set_precision
from models.readout import READOUTS
from models.residual import Block, Firing, Layer, SpikingLayer
from models.shortcut import SHORTCUTS

Recompute = Literal["nothing", "spikes", "blocks"]
"""What backward recomputes instead of keeping it in memory: the spikes between a block's layers, or whole blocks.
Results are the same bit for bit."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Voltages and spike counts of the network on a batch."""

    voltage: Tensor
    """The readout's scores after each time step, (B, T, K); the authors' accumulated output voltage."""
    spikes: dict[str, Tensor]
    """Spikes per time step of each layer of neurons, summed over the batch, (T,) int64; with relu, values above 0."""
    neurons: dict[str, int]
    """Number of neurons in each layer."""


class SResNet(nn.Module):
    """6n + 2 weighted layers: a first layer, three stages of n blocks, a linear readout.

    Images (B, C, H, W) are encoded into T time steps; event frames (B, T, C, H, W) pass a first layer of stride 2.
    Inside, time comes first and the memory format is channels-last.
    """

    def __init__(self, config: NetworkConfig, *, input_shape: tuple[int, int, int], classes: int, frames: bool) -> None:
        super().__init__()
        if frames and config.encoding != "direct":
            raise ValueError(f"encoding {config.encoding} is for images; event frames need encoding direct")
        self.config, self.input_shape, self.classes, self.frames = config, input_shape, classes, frames
        membranes = SHORTCUTS[config.shortcut].fires_first
        stride = 2 if frames else 1
        if membranes:
            self.stem: Layer = Layer(config, input_shape[0], config.width, kernel=3, stride=stride)
        else:
            self.stem = SpikingLayer(config, input_shape[0], config.width, stride=stride)
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
        self.last = Firing(config, widths[-1]) if membranes else nn.Identity()
        self.readout = READOUTS[config.readout](config, widths[-1], classes)
        self.recompute: Recompute = "nothing"

    def reset_parameters(self, generator: Generator) -> None:
        """Draws all weights by the configuration's initialization."""
        INITIALIZATIONS[self.config.initialization](self, self.drawn, generator)

    def drawn(self, generator: Generator, *, samples: int = 8) -> Tensor:
        """Standard normal inputs, for threshold balancing."""
        steps = (self.config.time_steps,) if self.frames else ()
        return torch.randn(samples, *steps, *self.input_shape, generator=generator).to(self.stem.conv.weight.dtype)

    def forward(self, inputs: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Logits (B, K). `generator` is for Poisson encoding."""
        return self.readout.logits(self.features(inputs, generator))

    def currents(self, inputs: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Currents of the output neurons, (T, B, K), for losses that use each time step."""
        return self.readout.currents(self.features(inputs, generator))

    def features(self, inputs: Tensor, generator: Generator | None) -> Tensor:
        """Input of the readout, (T, B, C, H, W)."""
        set_precision(self.config.precision)
        if self.frames:
            values = inputs.transpose(0, 1)
        else:
            values = ENCODINGS[self.config.encoding](inputs, self.config.time_steps, generator)
        stored = values.shape[:2]
        if stored[0] not in (1, self.config.time_steps):
            raise ValueError(f"{stored[0]} frames per sample, but the network has {self.config.time_steps} time steps")
        values = values.to(self.stem.conv.weight.dtype).flatten(0, 1).contiguous(memory_format=MEMORY_FORMAT)
        # The first layer stays in float32: rounded pixels would change more spikes than all later rounding.
        values = self.stem(values.unflatten(0, stored)).to(self.activations())
        for block in self.blocks:
            values = self.through(block, values)
        features: Tensor = self.last(values)
        return features

    def through(self, block: nn.Module, values: Tensor) -> Tensor:
        """A block's output; `recompute` decides what is kept for backward."""
        if self.recompute != "blocks" or not torch.is_grad_enabled():
            output: Tensor = block(values, keep_spikes=self.recompute != "spikes")
            return output
        recomputed: Tensor = checkpoint(
            block, values, use_reentrant=False, preserve_rng_state=False, context_fn=recompute_contexts
        )
        return recomputed

    def activations(self) -> torch.dtype:
        """Type of convolutions and stored activations; parameters and statistics keep their own."""
        return torch.bfloat16 if self.config.precision == "bfloat16" else self.stem.conv.weight.dtype

    @torch.no_grad()
    def observe(self, inputs: Tensor, *, generator: Generator | None = None) -> Observation:
        """Scores after each time step, and the spike counts of every layer."""
        spikes: dict[str, Tensor] = {}
        neurons: dict[str, int] = {}

        def count(name: str, _: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            spikes[name] = fired(given, output).sum((1, 2, 3, 4))
            neurons[name] = output[0, 0].numel()

        with layer_hooks(self, SpikingLayer | Firing, count):
            scores = self.readout.scores(self.currents(inputs, generator=generator))
        return Observation(voltage=scores.transpose(0, 1), spikes=spikes, neurons=neurons)


def recompute_contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of a block's forward computation and of its recomputation in backward."""
    return nullcontext(), _recomputation(current_choice())


@contextmanager
def _recomputation(implementation: AbstractContextManager[None]) -> Iterator[None]:
    with implementation, share_of_batch(0):
        yield
