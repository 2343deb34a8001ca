"""Our network beside the authors' code: the same weights, the same inputs, one optimizer step.

In float64 every number has to agree. In float32 a spike, being a comparison, can flip on the last bit of a membrane, so
there the flips are counted: ours against theirs, and each against float64, which says that neither is the worse one.
Shapes: T time steps, B samples, C channels, H height, W width.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy
from torch.optim import SGD

from models.authors import from_authors, parameter_names, without_doubles
from models.compare import Flip, LayerFlips, described, fired, first_flip, flips_of, watched
from models.residual import SpikingLayer
from models.sresnet import SResNet
from pipeline.audit.theirs import COMMIT, MODEL_SHA256, digest, load, recorded, without_gpu
from pipeline.errors import InputError

BOUND = 1e-10
"""Greatest difference in float64, relative to the largest value of its tensor where that is above 1."""
LEAK = 0.8744  # authors' README
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.026844, 0.9, 1e-4  # authors' train.py and README
CLASSES = 10
EVENTS_PER_PIXEL = 0.5
SIZES_OF_INPUT = {"SResnet": 32, "SResnetNM": 64}
"""Their img_size."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the networks that are compared."""

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
class Difference:
    """The largest difference between what ours and theirs computed of one kind."""

    quantity: str
    largest: float
    """Relative to `greatest` where that is above 1; infinite where shapes differ or a number is missing."""
    greatest: float
    """Largest value of that tensor of theirs."""
    where: str
    """Our name of the tensor."""

    @property
    def equal(self) -> bool:
        return self.largest <= BOUND


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Spikes of one layer that differ in float32."""

    between: LayerFlips
    """Ours against theirs; margins are those of float64."""
    ours: int
    """Ours against float64."""
    theirs: int
    """Theirs against float64."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One network of theirs beside ours."""

    case: Case
    differences: tuple[Difference, ...]
    flips: tuple[Flips, ...]
    """Of each layer of neurons, in the order of computation."""

    @property
    def equal(self) -> bool:
        return all(difference.equal for difference in self.differences)

    def first_flip(self) -> tuple[str, Flip] | None:
        return first_flip([flips.between for flips in self.flips])


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What a network made of one batch in training, by our names."""

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
    """|membrane / threshold - 1| of theirs."""


def ask(folder: Path, sizes: Sizes) -> tuple[list[Outcome], str | None]:
    """Every case, and a warning if model.py is not that of the commit that this was written against.

    Raises InputError if their code cannot be run.
    """
    module, found = load(folder), digest(folder)
    warning = None
    if found != MODEL_SHA256:
        warning = (
            f"{folder / 'model.py'} is not the file of commit {COMMIT[:7]} that this was written against: "
            f"SHA-256 without carriage returns {found}, expected {MODEL_SHA256}"
        )
    return [compare_case(case, module, sizes) for case in CASES], warning


def compare_case(case: Case, module: ModuleType, sizes: Sizes) -> Outcome:
    """Their network and ours with the same weights on the same inputs. Raises InputError."""
    try:
        with without_gpu(module):
            return _compare(case, module, sizes)
    except InputError:
        raise
    except Exception as error:  # it is their code, anything can be wrong with it
        raise InputError(
            f"{case.name}: their {case.kind} and ours cannot be compared ({type(error).__name__}: {error}); "
            f"expected model.py of commit {COMMIT[:7]}"
        ) from error


def _compare(case: Case, module: ModuleType, sizes: Sizes) -> Outcome:
    start = initial(case, module, sizes)
    inputs, labels = samples(case, sizes)
    computed = {}
    for dtype in (torch.float64, torch.float32):
        values = {name: value.to(dtype) if value.is_floating_point() else value for name, value in start.items()}
        theirs = made(case, module, sizes).to(dtype)
        theirs.load_state_dict(values)
        ours = from_authors(values, leak=LEAK, boosting=case.boosting)
        both = inputs.to(dtype)
        computed[dtype] = of_ours(ours, case, both, labels), of_theirs(theirs, ours, both, labels)
    return Outcome(
        case=case,
        differences=tuple(differences(*computed[torch.float64])),
        flips=tuple(flips(name, computed) for name in neuron_layers(ours)),
    )


def made(case: Case, module: ModuleType, sizes: Sizes) -> nn.Module:
    """A network of theirs."""
    options = {"boosting": True} if case.boosting else {}
    network: nn.Module = getattr(module, case.kind)(
        n=sizes.blocks,
        nFilters=sizes.width,
        num_steps=sizes.steps,
        leak_mem=LEAK,
        img_size=SIZES_OF_INPUT[case.kind],
        num_cls=CLASSES,
        **options,
    )
    return network


def initial(case: Case, module: ModuleType, sizes: Sizes) -> dict[str, Tensor]:
    """The state dict of a network of theirs, float64, with weights as they draw them; gains and biases, which they
    start at 1 and 0 at all steps, are moved apart."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = made(case, module, sizes).double()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.2 * torch.randn_like(parameter))
    return {name: value.clone() for name, value in network.state_dict().items()}


def samples(case: Case, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Two batches of inputs as theirs takes them, (2, B, ...), float64, and labels, (2, B)."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, CLASSES, (2, sizes.batch), generator=generator)
    if case.kind == "SResnet":
        return torch.randn(2, sizes.batch, 3, 32, 32, generator=generator, dtype=torch.float64), labels
    rates = torch.full((2, sizes.batch, sizes.steps, 2, 128, 128), EVENTS_PER_PIXEL, dtype=torch.float64)
    return torch.poisson(rates, generator=generator), labels


def of_ours(model: SResNet, case: Case, inputs: Tensor, labels: Tensor) -> Computed:
    """Event frames are resized by us as the store does it: sums of 2x2 counts, a quarter of them."""
    if case.kind == "SResnetNM":
        inputs = avg_pool2d(inputs.flatten(0, 2), 2).unflatten(0, inputs.shape[:3])
    spikes: dict[str, Tensor] = {}
    with watched(model, lambda name, _, given, output: spikes.update({name: fired(given, output)})):
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
    """By our names, which `model` gives."""
    layers = neuron_layers(model)
    with recorded(network, len(layers)) as spikes:
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
    """Names of the layers of neurons in the order of computation, which is that of their list."""
    return [name for name, module in model.named_modules() if isinstance(module, SpikingLayer)]


def stepped(
    network: nn.Module, logits: Tensor, inputs: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Loss, gradients, and logits of the second batch after one step of their optimizer."""
    optimizer = SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    loss = cross_entropy(logits, labels[0])
    loss.backward()
    gradients = {
        name: torch.zeros_like(value) if value.grad is None else value.grad.clone()
        for name, value in network.named_parameters()
    }
    optimizer.step()
    with torch.no_grad():
        return loss.detach(), gradients, network.eval()(inputs[1])


def in_our_names(model: SResNet, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors by our names, those of all time steps stacked."""
    single = without_doubles(theirs)
    return {
        ours: torch.stack([single[name] for name in names]).clone() if "norm" in ours else single[names[0]].clone()
        for ours, names in parameter_names(model).items()
        if names[0] in single
    }


def differences(ours: Computed, theirs: Computed) -> list[Difference]:
    """Of everything that was computed in float64."""
    statistics = {name for name in theirs.state if "running" in name}
    weights = theirs.state.keys() - statistics
    return [
        largest("spikes", ours.fired, theirs.fired),
        largest("logits", {"": ours.logits}, {"": theirs.logits}),
        largest("loss", {"": ours.loss}, {"": theirs.loss}),
        largest("gradients", ours.gradients, theirs.gradients),
        largest("running statistics", part(ours.state, statistics), part(theirs.state, statistics)),
        largest("parameters after a step", part(ours.state, weights), part(theirs.state, weights)),
        largest("logits after it, in test", {"": ours.tested}, {"": theirs.tested}),
    ]


def part(values: Mapping[str, Tensor], names: set[str]) -> dict[str, Tensor]:
    return {name: value for name, value in values.items() if name in names}


def largest(quantity: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Difference:
    """Over all tensors; one that only one side has, or of another shape, differs without end."""
    found = [distance(name, ours.get(name), theirs.get(name)) for name in sorted(ours.keys() | theirs.keys())]
    worst, greatest, where = max(found)
    return Difference(quantity=quantity, largest=worst, greatest=greatest, where=where)


def distance(name: str, ours: Tensor | None, theirs: Tensor | None) -> tuple[float, float, str]:
    """Largest difference, relative to the largest value above 1; that value; the name."""
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return math.inf, math.nan, name
    greatest = float(theirs.double().abs().max())
    apart = float((ours.double() - theirs.double()).abs().max()) / max(1.0, greatest)
    return (math.inf if math.isnan(apart) else apart), greatest, name


def flips(name: str, computed: dict[torch.dtype, tuple[Computed, Computed]]) -> Flips:
    """Of one layer in float32; margins, and what is right, are those of theirs in float64."""
    (ours, theirs), (_, exact) = computed[torch.float32], computed[torch.float64]
    return Flips(
        between=flips_of(name, theirs.fired[name], ours.fired[name], lambda: exact.margins[name]),
        ours=int((ours.fired[name] != exact.fired[name]).sum()),
        theirs=int((theirs.fired[name] != exact.fired[name]).sum()),
    )


def table(outcomes: list[Outcome]) -> str:
    """Of each case the largest differences in float64 and the flips in float32, then the verdict."""
    form = "{:<18}{:<26}{:>12}{:>12}  {}"
    lines = [form.format("network", "float64", "difference", "values to", "largest at")]
    for outcome in outcomes:
        for found in outcome.differences:
            numbers = f"{found.largest:.1e}", f"{found.greatest:.2g}"
            where = (found.where if found.largest else "") + ("" if found.equal else "  <- DIFFERENT")
            lines.append(form.format(outcome.case.name, found.quantity, *numbers, where).rstrip())
    lines += ["", *flip_lines(outcomes), "", verdict(outcomes)]
    return "\n".join(lines)


def flip_lines(outcomes: list[Outcome]) -> list[str]:
    """A line a case; all of a case's layers together, and where the first flip is."""
    form = "{:<18}{:>14}{:>12}{:>16}{:>16}{:>18}  {}"
    head = ("network", "neuron-steps", "spikes", "ours - theirs", "ours - float64", "theirs - float64")
    lines = ["float32: spikes that differ", form.format(*head, "first of ours - theirs")]
    for outcome in outcomes:
        between = [flips.between for flips in outcome.flips]
        counts = (
            sum(layer.neurons * len(layer.flips) for layer in between),
            sum(layer.spikes for layer in between),
            sum(sum(layer.flips) for layer in between),
            sum(flips.ours for flips in outcome.flips),
            sum(flips.theirs for flips in outcome.flips),
        )
        lines.append(form.format(outcome.case.name, *counts, described(outcome.first_flip())))
    return lines


def verdict(outcomes: list[Outcome]) -> str:
    """One line."""
    if different := [outcome.case.name for outcome in outcomes if not outcome.equal]:
        return f"DIFFERENT beyond {BOUND:g} in float64: {'; '.join(different)}"
    worst = max(found.largest for outcome in outcomes for found in outcome.differences)
    return f"EQUAL in float64: the largest difference is {worst:.1e}, the bound {BOUND:g}"


def run(folder: Path, sizes: Sizes) -> None:
    """Prints the table. Raises InputError if their code cannot be run or computes something else."""
    wrong = [name for name, value in dataclasses.asdict(sizes).items() if value < 1]
    if wrong:
        raise InputError(f"--{wrong[0]} must be at least 1")
    outcomes, warning = ask(folder, sizes)
    print(table(outcomes))
    if warning:
        print(f"WARNING: {warning}")
    if not all(outcome.equal for outcome in outcomes):
        raise InputError(f"{folder}: theirs and ours compute different things")
