"""Results of the authors' network and ours, with the same weights, on the same batches and after one optimizer step.

Shapes: T time steps, B samples, C channels, H height, W width.
"""

from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy
from torch.optim import SGD

from models.hooks import fired, layer_hooks
from models.residual import SpikingLayer
from models.sresnet import SResNet
from pipeline.authors.authors_code import recorded_calls
from pipeline.authors.checkpoint import AUTHORS_LEAK, in_our_names

_LEARNING_RATE, _MOMENTUM, _WEIGHT_DECAY = 0.026844, 0.9, 1e-4  # authors' train.py and README
_CLASSES = 10
_EVENTS_PER_PIXEL = 0.5
_SIZES_OF_INPUT = {"SResnet": 32, "SResnetNM": 64}
"""Their img_size."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the compared networks."""

    blocks: int
    width: int
    steps: int
    batch: int = 8


@dataclass(frozen=True, kw_only=True)
class Case:
    """One of their networks."""

    name: str
    kind: str
    """Name of their class."""
    boosting: bool


CASES = (
    Case(name="images", kind="SResnet", boosting=False),
    Case(name="images, boosting", kind="SResnet", boosting=True),
    Case(name="events", kind="SResnetNM", boosting=False),
)


@dataclass(frozen=True, kw_only=True)
class Computed:
    """Results of a network on one training batch, with our tensor names."""

    logits: Tensor
    loss: Tensor
    gradients: dict[str, Tensor]
    state: dict[str, Tensor]
    """Parameters and running statistics after the optimizer step."""
    tested: Tensor
    """Logits of another batch after the step, with the running statistics."""
    fired: dict[str, Tensor]
    """Spikes of each layer of neurons on the training batch, (T, B, C, H, W)."""
    margins: dict[str, Tensor]
    """|membrane / threshold - 1| before the reset, (T, B, C, H, W); only recorded for their network."""


def made(case: Case, module: ModuleType, sizes: Sizes) -> nn.Module:
    """One of their networks."""
    options = {"boosting": True} if case.boosting else {}
    network: nn.Module = getattr(module, case.kind)(
        n=sizes.blocks,
        nFilters=sizes.width,
        num_steps=sizes.steps,
        leak_mem=AUTHORS_LEAK,
        img_size=_SIZES_OF_INPUT[case.kind],
        num_cls=_CLASSES,
        **options,
    )
    return network


def initial(case: Case, module: ModuleType, sizes: Sizes) -> dict[str, Tensor]:
    """The state dict (float64) of one of their networks, with weights as they initialize them. Gains and biases, which
    start at 1 and 0 at all steps, are perturbed, so that a mix-up of steps would be noticed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = made(case, module, sizes).double()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.2 * torch.randn_like(parameter))
    return {name: value.clone() for name, value in network.state_dict().items()}


def two_batches(case: Case, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Two batches of inputs for their network, (2, B, ...), float64, and labels, (2, B)."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, _CLASSES, (2, sizes.batch), generator=generator)
    if case.kind == "SResnet":
        return torch.randn(2, sizes.batch, 3, 32, 32, generator=generator, dtype=torch.float64), labels
    rates = torch.full((2, sizes.batch, sizes.steps, 2, 128, 128), _EVENTS_PER_PIXEL, dtype=torch.float64)
    return torch.poisson(rates, generator=generator), labels


def of_ours(model: SResNet, case: Case, inputs: Tensor, labels: Tensor) -> Computed:
    """Results of our network. Event frames are first resized as in the store: a quarter of the sum of 2x2 counts."""
    if case.kind == "SResnetNM":
        inputs = avg_pool2d(inputs.flatten(0, 2), 2).unflatten(0, inputs.shape[:3])
    spikes: dict[str, Tensor] = {}
    with layer_hooks(model, SpikingLayer, lambda name, _, given, output: spikes.update({name: fired(given, output)})):
        logits = model.train()(inputs[0])
    loss, gradients, tested = stepped(model, logits, inputs, labels)
    return Computed(
        logits=logits.detach(),
        loss=loss,
        gradients=gradients,
        state={name: value.clone() for name, value in model.state_dict().items()},
        tested=tested,
        fired=spikes,
        margins={},
    )


def of_theirs(network: nn.Module, model: SResNet, inputs: Tensor, labels: Tensor) -> Computed:
    """Results of their network, with our tensor names, which `model` defines."""
    layers = neuron_layers(model)
    with recorded_calls(network, len(layers)) as spikes:
        logits = network.train()(inputs[0])
    loss, gradients, tested = stepped(network, logits, inputs, labels)
    return Computed(
        logits=logits.detach(),
        loss=loss,
        gradients=in_our_names(model, gradients),
        state=in_our_names(model, network.state_dict()),
        tested=tested,
        fired={name: layer.fired for name, layer in zip(layers, spikes, strict=True)},
        margins={name: layer.margin for name, layer in zip(layers, spikes, strict=True)},
    )


def neuron_layers(model: SResNet) -> list[str]:
    """Names of the layers of neurons in the order of computation, which is the order of the modules."""
    return [name for name, module in model.named_modules() if isinstance(module, SpikingLayer)]


def stepped(
    network: nn.Module, logits: Tensor, inputs: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Loss, gradients, and logits of the second batch after one step of their optimizer."""
    optimizer = SGD(network.parameters(), lr=_LEARNING_RATE, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY)
    loss = cross_entropy(logits, labels[0])
    loss.backward()
    gradients = {
        name: torch.zeros_like(value) if value.grad is None else value.grad.clone()
        for name, value in network.named_parameters()
    }
    optimizer.step()
    with torch.no_grad():
        return loss.detach(), gradients, network.eval()(inputs[1])
