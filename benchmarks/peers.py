"""Compares S-ResNet38's training step with the same network in other libraries: python -m benchmarks.peers

`pip install .[bench]` installs them; missing ones are left out and reported. Each network uses its library's layers as
documented, the library's default memory format, and its own surrogate derivative. All have the same convolutions,
normalization through time and sum with the skip; neurons have the same leak, threshold and reset by subtraction. The
libraries take turns with ours in one process.
Shapes: T time steps, B samples, C channels, H height, W width.
"""

import argparse
import json
import math
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks import positive
from benchmarks.forms import CLASSES, INPUT_SHAPE, S_RESNET38, Case, Form, training_step
from benchmarks.step_by_step import Neurons, StepByStep, SteppedLayer
from benchmarks.train_step import circumstances, measure, ratios
from models.config import NetworkConfig
from models.normalization import EPSILON, STATISTICS_MOMENTUM
from models.residual import Block, Downsampling, Layer, SpikingLayer
from models.sresnet import SResNet
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.protocol.hardware import keep_memory

OURS = "ours"
Steps = dict[str, Callable[[], None]]


class MultiStep(nn.Module):
    """The network of an SResNet for libraries whose layers take all time steps at once, (T, B, C, H, W).

    `layer_of` returns a layer as nn.Sequential(convolution, norm, neurons), without neurons for a Downsampling. The
    first convolution runs once, because the image is static.
    """

    def __init__(self, model: SResNet, layer_of: Callable[[Layer], nn.Sequential]) -> None:
        super().__init__()
        self.time_steps = model.config.time_steps
        self.stem = layer_of(model.stem)
        self.blocks = nn.ModuleList(
            MultiStepBlock(block, layer_of) for block in model.blocks if isinstance(block, Block)
        )
        self.linear = nn.Linear(model.readout.linear.in_features, model.classes, bias=False)
        self.linear.weight.data.copy_(model.readout.linear.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W)."""
        currents = self.stem[0](images[None])
        values = self.stem[1:](currents.expand(self.time_steps, *currents.shape[1:]))
        for block in self.blocks:
            values = block(values)
        logits: Tensor = self.linear(values.mean((0, 3, 4)))
        return logits


class MultiStepBlock(nn.Module):
    """Two layers; their spikes are added to the skip."""

    def __init__(self, block: Block, layer_of: Callable[[Layer], nn.Sequential]) -> None:
        super().__init__()
        self.layers = nn.Sequential(layer_of(block.first), layer_of(block.second))
        self.skip = layer_of(block.skip) if isinstance(block.skip, Downsampling) else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        summed: Tensor = self.layers(values) + self.skip(values)
        return summed


def spikingjelly(model: SResNet) -> nn.Module:
    """Multi-step mode with the backend torch, which is the one for CPUs."""
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    config = model.config

    def layer_of(ours: Layer) -> nn.Sequential:
        given = ours.conv
        conv = layer.Conv2d(
            given.in_channels,
            given.out_channels,
            given.kernel_size[0],
            stride=given.stride[0],
            padding=given.padding[0],
            bias=False,
        )
        conv.weight.data.copy_(given.weight)
        parts = [
            conv,
            layer.BatchNormThroughTime2d(config.time_steps, given.out_channels, EPSILON, STATISTICS_MOMENTUM),
        ]
        if isinstance(ours, SpikingLayer):
            parts.append(
                neuron.LIFNode(
                    tau=1 / (1 - config.leak),
                    decay_input=False,
                    v_reset=None,
                    surrogate_function=surrogate.PiecewiseQuadratic(),
                    detach_reset=True,
                )
            )
        return nn.Sequential(*parts)

    network = MultiStep(model, layer_of)
    functional.set_step_mode(network, "m")
    network.register_forward_pre_hook(lambda module, arguments: functional.reset_net(module))
    return network


def sinabs(model: SResNet) -> nn.Module:
    """Its neuron layer takes all time steps, (B, T, C, H, W); it has no normalization through time, so torch's is
    used."""
    return MultiStep(model, lambda ours: sinabs_layer(ours, model.config))


def sinabs_layer(ours: Layer, config: NetworkConfig) -> nn.Sequential:
    from sinabs import activation, layers

    class Lif(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.neurons = layers.LIF(
                tau_mem=-1 / math.log(config.leak),
                norm_input=False,
                spike_fn=activation.SingleSpike,
                reset_fn=activation.MembraneSubtract(),
            ).requires_grad_(False)

        def forward(self, currents: Tensor) -> Tensor:
            self.neurons.reset_states()
            spikes: Tensor = self.neurons(currents.transpose(0, 1))
            return spikes.transpose(0, 1)

    parts: list[nn.Module] = [EachStep(ours.conv), NormEachStep(config.time_steps, ours.conv.out_channels)]
    return nn.Sequential(*parts, *([Lif()] if isinstance(ours, SpikingLayer) else []))


class EachStep(nn.Module):
    """A copy of a convolution, applied to all time steps."""

    def __init__(self, given: nn.Conv2d) -> None:
        super().__init__()
        channels = given.in_channels, given.out_channels
        self.conv = nn.Conv2d(
            *channels, given.kernel_size[0], stride=given.stride[0], padding=int(given.padding[0]), bias=False
        )
        self.conv.weight.data.copy_(given.weight)

    def forward(self, values: Tensor) -> Tensor:
        return self.conv(values.flatten(0, 1)).unflatten(0, values.shape[:2])


class NormEachStep(nn.Module):
    """A batch norm for each time step."""

    def __init__(self, steps: int, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(channels, eps=EPSILON, momentum=STATISTICS_MOMENTUM) for _ in range(steps)
        )

    def forward(self, currents: Tensor) -> Tensor:
        return torch.stack([norm(current) for norm, current in zip(self.norms, currents, strict=True)])


def snntorch(model: SResNet) -> nn.Module:
    """Step by step, as its cells require."""
    from snntorch import Leaky, surrogate

    class Cell(Neurons):
        def __init__(self) -> None:
            super().__init__(model.config)
            self.cell = Leaky(beta=model.config.leak, spike_grad=surrogate.triangular())

        def forward(self, current: Tensor) -> Tensor:
            membrane = torch.zeros_like(current) if self.membrane is None else self.membrane
            spikes, self.membrane = self.cell(current, membrane)
            return spikes

    return with_cells(StepByStep(model), Cell)


def norse(model: SResNet) -> nn.Module:
    """Step by step. Its cell scales the input by 1 - leak, so the threshold is scaled too."""
    from norse.torch import LIFBoxCell, LIFBoxParameters
    from norse.torch.functional.reset import reset_subtract

    part = 1 - model.config.leak
    parameters = LIFBoxParameters(
        tau_mem_inv=torch.tensor(part / 0.001),
        v_th=torch.tensor(part),
        method="triangle",
        alpha=torch.tensor(0.3),
        reset_method=reset_subtract,
    )

    class Cell(Neurons):
        def __init__(self) -> None:
            super().__init__(model.config)
            self.cell = LIFBoxCell(p=parameters)

        def forward(self, current: Tensor) -> Tensor:
            spikes: Tensor
            spikes, self.membrane = self.cell(current, self.membrane)
            return spikes

    return with_cells(StepByStep(model), Cell)


def with_cells(network: StepByStep, cell: Callable[[], Neurons]) -> StepByStep:
    """The network with a library's cells instead of ours."""
    for layer in network.modules():
        if isinstance(layer, SteppedLayer):
            layer.neurons = cell()
    return network


PEERS: dict[str, Callable[[SResNet], nn.Module]] = {
    "spikingjelly": spikingjelly,
    "snntorch": snntorch,
    "norse": norse,
    "sinabs": sinabs,
}
CASES: dict[str, Case] = {
    "float32, T = 10, batch 8": Case(network=replace(S_RESNET38, time_steps=10), batch=8),
    "float32, T = 50, batch 2": Case(network=S_RESNET38, batch=2),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the installed libraries, prints, writes the result; without any of them, nothing is written."""
    settings = parse(arguments)
    installed = [name for name in PEERS if find_spec(name)]
    for name in sorted(PEERS.keys() - set(installed)):
        print(f"{name}: not installed; it is in the extra `bench`")
    if not installed:
        return  # keeps an existing result
    load = os.getloadavg()[0]
    torch.set_num_threads(settings.threads)
    keep_memory()
    rows = {name: row(name, case, installed, settings) for name, case in CASES.items()}
    result = {"versions": {name: version(name) for name in installed}, "rows": rows} | circumstances(settings, load)
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Times training steps of S-ResNet38 here and in the other libraries that are installed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--threads", type=positive, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=positive, default=3, help="measurements of each library, after two to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-peers.json", help="file of the result")
    return parser.parse_args(arguments)


def row(name: str, case: Case, peers: list[str], settings: argparse.Namespace) -> dict[str, Any]:
    """Seconds of ours and of each peer, and each peer's time as a multiple of ours."""
    print(f"{name}: ", end="", flush=True)
    seconds = timed(steps_of(case, peers), settings.rounds)
    slower = {
        peer: ratios(cast("dict[Form, list[float]]", seconds), cast("Form", peer), cast("Form", OURS)) for peer in peers
    }
    print(", ".join(f"{peer} {ratio['median']:.2f} times ours" for peer, ratio in slower.items()), flush=True)
    return {
        "case": asdict(case),
        "slower_than_ours": slower,
        "median_seconds": {form: statistics.median(taken) for form, taken in seconds.items()},
        "seconds": seconds,
    }


def timed(steps: Steps, rounds: int) -> dict[str, list[float]]:
    """Seconds of each by name, in turns, after two warm-up rounds; cached memory settles in the second."""
    for step in steps.values():
        step()
    return cast("dict[str, list[float]]", measure(cast("dict[Form, Callable[[], None]]", steps), rounds))


def steps_of(case: Case, peers: Sequence[str]) -> Steps:
    """A training step of ours and of each peer, with the same weights and images."""
    model = SResNet(case.network, input_shape=INPUT_SHAPE, classes=CLASSES, frames=False)
    generator = torch.Generator().manual_seed(0)
    model.reset_parameters(generator)
    images = torch.randn(case.batch, *INPUT_SHAPE, generator=generator)
    labels = torch.randint(CLASSES, (case.batch,), generator=generator)
    networks = {OURS: cast("nn.Module", model)} | {peer: PEERS[peer](model) for peer in peers}
    for peer in peers:
        assert convolution_weights(networks[peer]) == convolution_weights(model), peer
    return {name: training_step(network, images, labels) for name, network in networks.items()}


def convolution_weights(network: nn.Module) -> tuple[int, int]:
    """Number of convolutions of a network, and of their weights."""
    sizes = [module.weight.numel() for module in network.modules() if isinstance(module, nn.Conv2d)]
    return len(sizes), sum(sizes)


if __name__ == "__main__":
    main()
