"""S-ResNet computed step by step in plain PyTorch, which is how most spiking networks are written.

One BatchNorm2d per layer and time step, one lif_step per neuron layer and time step. Computes the same as
models.sresnet. Shapes: B samples, T time steps, C channels, H height, W width, K classes.
"""

import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.neuron import lif_step, surrogate_of
from models.normalization import EPSILON, STATISTICS_MOMENTUM
from models.precision import set_precision
from models.residual import Block, Downsampling, Layer
from models.sresnet import SResNet

PARTS = {
    "neuron": "lif",
    "leak_trained": "never",
    "reset": "subtract",
    "normalization": "bntt",
    "shortcut": "spike-add",
    "downsampling": "real",
    "encoding": "direct",
}


class NormedConvolution(nn.Module):
    """A convolution, and a batch norm for each time step."""

    def __init__(self, layer: Layer, steps: int) -> None:
        super().__init__()
        given = layer.conv
        self.conv = nn.Conv2d(
            given.in_channels,
            given.out_channels,
            given.kernel_size[0],
            stride=given.stride[0],
            padding=int(given.padding[0]),
            bias=False,
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(given.out_channels, eps=EPSILON, momentum=STATISTICS_MOMENTUM) for _ in range(steps)
        )

    def forward(self, values: Tensor, t: int) -> Tensor:
        currents: Tensor = self.norms[t](self.conv(values))
        return currents


class Neurons(nn.Module):
    """A layer of leaky integrate-and-fire neurons that keeps its membrane between steps."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.leak, self.surrogate = config.leak, surrogate_of(config)
        self.membrane: Tensor | None = None

    def forward(self, current: Tensor) -> Tensor:
        membrane = torch.zeros_like(current) if self.membrane is None else self.membrane
        spikes, self.membrane = lif_step(current, membrane, self.leak, self.surrogate)
        return spikes


class SteppedLayer(NormedConvolution):
    """Convolution, batch norm, neurons: (B, C, H, W) to the spikes of a step."""

    def __init__(self, layer: Layer, config: NetworkConfig) -> None:
        super().__init__(layer, config.time_steps)
        self.neurons = Neurons(config)

    def forward(self, values: Tensor, t: int) -> Tensor:
        spikes: Tensor = self.neurons(super().forward(values, t))
        return spikes


class SteppedBlock(nn.Module):
    """Two spiking layers; their spikes are added to the skip."""

    def __init__(self, block: Block, config: NetworkConfig) -> None:
        super().__init__()
        self.first = SteppedLayer(block.first, config)
        self.second = SteppedLayer(block.second, config)
        down = block.skip
        self.skip = NormedConvolution(down, config.time_steps) if isinstance(down, Downsampling) else None

    def forward(self, values: Tensor, t: int) -> Tensor:
        spikes: Tensor = self.second(self.first(values, t), t)
        return spikes + (values if self.skip is None else self.skip(values, t))


class StepByStep(nn.Module):
    """The network of an SResNet, with a copy of its weights. Raises ValueError for parts other than the authors'."""

    def __init__(self, model: SResNet) -> None:
        super().__init__()
        others = {name: getattr(model.config, name) for name, part in PARTS.items()}
        if others != PARTS or model.config.readout != "mean-voltage":
            raise ValueError(f"only {PARTS} and readout mean-voltage are written step by step, not {model.config}")
        self.frames, self.time_steps = model.frames, model.config.time_steps
        self.stem = SteppedLayer(model.stem, model.config)
        self.blocks = nn.ModuleList(
            SteppedBlock(block, model.config) for block in model.blocks if isinstance(block, Block)
        )
        self.linear = nn.Linear(model.readout.linear.in_features, model.classes, bias=False)
        state = self.to(model.stem.conv.weight.dtype).state_dict()
        for name, value in stepped_names(model.state_dict()).items():
            state[name].copy_(value)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, K): the output voltage, averaged over the time steps."""
        set_precision("float32")
        for module in self.modules():
            if isinstance(module, Neurons):
                module.membrane = None
        voltage = torch.zeros((), dtype=inputs.dtype)
        for t in range(self.time_steps):
            voltage = voltage + self.step(inputs[:, t] if self.frames else inputs, t)
        return voltage / self.time_steps

    def step(self, values: Tensor, t: int) -> Tensor:
        """Current into the output neurons at time step t, (B, K)."""
        values = self.stem(values, t)
        for block in self.blocks:
            values = block(values, t)
        currents: Tensor = self.linear(values.mean((2, 3)))
        return currents


def stepped_names(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an SResNet, by name, as tensors of its StepByStep: each set of a norm becomes a separate module."""
    named: dict[str, Tensor] = {}
    for name, value in values.items():
        layer, _, kind = name.rpartition(".norm.")
        if layer:
            kind = kind.replace("gain", "weight")
            named |= {f"{layer}.norms.{t}.{kind}": value[t] for t in range(len(value))}
        else:
            named[name.removeprefix("readout.")] = value
    return named
