"""The implementations of one network that benchmarks compare, as functions that do one step.

`through-time`: as trained here. `step-by-step`: one time step after another. `convolutions`: the lower bound, only the
convolutions, in the same memory format and precision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy

from benchmarks.step_by_step import StepByStep
from models.config import NetworkConfig
from models.kernels.choice import MEMORY_FORMAT
from models.sresnet import Recompute, SResNet

INPUT_SHAPE, CLASSES = (3, 32, 32), 10  # CIFAR-10
Form = Literal["through-time", "step-by-step", "convolutions"]
FORMS: tuple[Form, ...] = ("through-time", "step-by-step", "convolutions")
S_RESNET38 = NetworkConfig(
    blocks=6,
    width=32,
    time_steps=50,
    neuron="lif",
    leak=0.8744,
    leak_trained="never",
    reset="subtract",
    surrogate="triangle",
    surrogate_height=0.3,
    surrogate_width=1.0,
    normalization="bntt",
    shortcut="spike-add",
    downsampling="real",
    encoding="direct",
    readout="mean-voltage",
    initialization="xavier",
    precision="float32",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table."""

    network: NetworkConfig
    batch: int
    inference: bool = False
    device: str = "cpu"
    recompute: Recompute = "nothing"


def step_of(case: Case, form: Form) -> Callable[[], None]:
    """One training step (forward, cross-entropy, backward, SGD) or one inference; all have the same weights and images.

    The step-by-step form computes in float32, as such code usually does.
    """
    model = SResNet(case.network, input_shape=INPUT_SHAPE, classes=CLASSES, frames=False)
    generator = torch.Generator().manual_seed(0)
    model.reset_parameters(generator)
    images = torch.randn(case.batch, *INPUT_SHAPE, generator=generator).to(case.device)
    labels = torch.randint(CLASSES, (case.batch,), generator=generator).to(case.device)
    model.recompute = case.recompute
    if form == "convolutions":
        return convolutions(model.to(case.device), images, case)
    network = StepByStep(model) if form == "step-by-step" else model
    network.to(case.device)
    return inference(network.eval(), images) if case.inference else training_step(network, images, labels)


def inference(network: nn.Module, images: Tensor) -> Callable[[], None]:
    @torch.no_grad()
    def step() -> None:
        network(images)

    return step


def training_step(network: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.026844, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def convolutions(model: SResNet, images: Tensor, case: Case) -> Callable[[], None]:
    """The convolutions of one step on random spikes: forward and, in training, both gradients."""
    calls = [operands(conv, shape, model.activations()) for conv, shape in shapes_of(model, images)]

    def step() -> None:
        for values, weight, stride, padding in calls:
            output = conv2d(values, weight, stride=stride, padding=padding)
            if not case.inference:
                wanted = [weight, values] if values.requires_grad else [weight]
                torch.autograd.grad(output, wanted, output.detach())

    return torch.no_grad()(step) if case.inference else step


def operands(conv: nn.Conv2d, shape: torch.Size, dtype: torch.dtype) -> tuple[Tensor, Tensor, int, int]:
    weight = conv.weight.detach().to(dtype, memory_format=MEMORY_FORMAT).requires_grad_()
    spikes = (torch.rand(shape, device=weight.device) < 0.2).to(dtype).contiguous(memory_format=MEMORY_FORMAT)
    hidden = shape[1] != INPUT_SHAPE[0]
    return spikes.requires_grad_(hidden), weight, conv.stride[0], int(conv.padding[0])


@torch.no_grad()
def shapes_of(model: SResNet, images: Tensor) -> list[tuple[nn.Conv2d, torch.Size]]:
    """Every convolution with its input shape (N, C, H, W), found with a copy that has one time step; N is times T."""
    found: list[tuple[nn.Conv2d, torch.Size]] = []
    steps = model.config.time_steps
    once = SResNet(replace(model.config, time_steps=1), input_shape=INPUT_SHAPE, classes=CLASSES, frames=False)
    once.to(images.device)
    layers = dict(model.named_modules())
    for name, layer in once.named_modules():
        if hasattr(layer, "conv"):
            conv = layers[name].conv
            repeats = 1 if name == "stem" else steps
            layer.register_forward_hook(
                lambda module, arguments, output, conv=conv, repeats=repeats: found.append(
                    (conv, torch.Size((repeats * arguments[0].shape[1], *arguments[0].shape[2:])))
                )
            )
    once(images)
    return found
