"""S-ResNet, the spiking residual network of Vicente-Sola et al. 2022 (doi 10.1088/2634-4386/ac8bef).

Shapes: B samples, T time steps, C channels, H height, W width, K classes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from .config import NetworkConfig
from .encoding import ENCODINGS
from .hooks import fired, layer_hooks
from .initialization import INITIALIZATIONS
from .kernels.choice import MEMORY_FORMAT, current_choice
from .normalization import share_of_batch
from .precision import set_precision
from .readout import READOUTS
from .residual import Block, Firing, Layer, SpikingLayer
from .shortcut import SHORTCUTS

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


@dataclass(frozen=True, kw_only=True)
class Features:
    """What the network makes of a batch before its readout."""

    stages: tuple[Tensor, Tensor, Tensor]
    """Output of each of the three stages, (T, B, C, H, W): C is width, 2 width and 4 width, and H and W are halved from
    stage to stage. With shortcut spike-add they are sums of spikes and skips, so not only 0 and 1."""
    embedding: Tensor
    """Mean of the readout's input over time steps and pixels, (B, 4 width): with readout mean-voltage, the logits are
    its product with the readout's weights."""


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
        self.inputs: dict[str, Any] | None = None
        """How a file becomes an input, and the classes' names; what `inputs` says in the config.json of a training."""
        self.card: str | None = None
        """The model card of the folder that the network was loaded from."""

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None, token: str | None = None) -> "SResNet":
        """The network in a folder, such as artifacts/digits/0, or in a repository on the Hugging Face hub.

        It is in evaluation mode. Raises ValueError, FileNotFoundError (pretrained.py).
        """
        from .pretrained import load_pretrained

        return load_pretrained(source, revision, token)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes model.safetensors, config.json and README.md (the model card) into a folder."""
        from .pretrained import save_folder

        save_folder(self, Path(folder))

    def push_to_hub(
        self, repo_id: str, *, private: bool | None = None, commit_message: str = "Upload", token: str | None = None
    ) -> str:
        """Uploads these three files to the hub as one commit; makes the repository if needed. Returns its address."""
        from .pretrained import push_folder

        return push_folder(self, repo_id, private=private, message=commit_message, token=token)

    def reset_parameters(self, generator: Generator) -> None:
        """Draws all weights by the configuration's initialization."""
        INITIALIZATIONS[self.config.initialization](self, self.drawn, generator)

    def drawn(self, generator: Generator, *, samples: int = 8) -> Tensor:
        """Standard normal inputs, for threshold balancing."""
        steps = (self.config.time_steps,) if self.frames else ()
        return torch.randn(samples, *steps, *self.input_shape, generator=generator).to(self.stem.conv.weight.dtype)

    def forward(self, inputs: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Logits (B, K). `generator` is for Poisson encoding."""
        return self.readout.logits(self.before_readout(inputs, generator))

    def currents(self, inputs: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Currents of the output neurons, (T, B, K), for losses that use each time step."""
        return self.readout.currents(self.before_readout(inputs, generator))

    def features(self, inputs: Tensor, *, generator: Generator | None = None) -> Features:
        """The outputs of the three stages and their pooled embedding; with gradients, unless within torch.no_grad()."""
        values, stages = self._encoded(inputs, generator), []
        for first in range(0, len(self.blocks), self.config.blocks):
            for block in self.blocks[first : first + self.config.blocks]:
                values = self.through(block, values)
            stages.append(values)
        embedding = self.last(values).mean((0, 3, 4), dtype=self.readout.linear.weight.dtype)
        return Features(stages=(stages[0], stages[1], stages[2]), embedding=embedding)

    def before_readout(self, inputs: Tensor, generator: Generator | None) -> Tensor:
        """Input of the readout, (T, B, C, H, W)."""
        values = self._encoded(inputs, generator)
        for block in self.blocks:
            values = self.through(block, values)
        features: Tensor = self.last(values)
        return features

    def _encoded(self, inputs: Tensor, generator: Generator | None) -> Tensor:
        """Output of the first layer, (T, B, C, H, W)."""
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
        encoded: Tensor = self.stem(values.unflatten(0, stored)).to(self.activations())
        return encoded

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
