"""Output and all gradients equal those of autograd through the step-by-step operation."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from models.kernels.operation import Statistics, normalize_and_fire
from models.neuron import THRESHOLD
from models.surrogate import AUTHORS
from tests.models.kernels.plain import Case, computed
from tests.models.small import drawn, neurons, normalized

CASES = [
    Case(normalization=normalization, stored=stored, training=training, leak=leak, skip=skip)
    for normalization, stored, training, leak, skip in product(
        ("bntt", "bn"), (4, 1), (True, False), (0.8744, None), (True, False)
    )
]
EDGES = [
    Case(steps=1, stored=1),
    Case(steps=1, stored=1, normalization="bn"),
    Case(leak=1.0, steps=9, stored=9),
    Case(normalization="tdbn", stored=1),
    Case(shape=(1, 5, 4, 3), stored=1),  # one sample: pixels side by side as a view
    Case(shape=(1, 1, 1, 2)),
    Case(shape=(2, 3, 13, 11), steps=2, stored=2),
    Case(shape=(2, 700, 5, 7), steps=2, stored=2),  # more channels than a tile: blocks of 32 pixels in cpu.py
    Case(shape=(1, 2200, 1, 3), steps=2, stored=1),  # more channels than a block has values
]


@pytest.mark.parametrize("case", CASES + EDGES, ids=str)
def test_output_and_gradients(case: Case, passes: str) -> None:
    expected, found = computed(case, "plain"), computed(case, passes)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            found[key], value, rtol=1e-10, atol=1e-10, msg=lambda text, key=key: f"{key}: {text}"
        )


def test_the_cases_have_spikes_and_gradients() -> None:
    """Nothing would be compared if no neuron fired, if all did, or if the triangle were zero at most of them."""
    found = computed(Case(skip=False), "plain")
    assert 0.2 < found["output"].mean() < 0.8
    assert all(found[key].abs().mean() > 0.01 for key in ("currents", "gain", "bias"))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stored", [3, 1])
@pytest.mark.parametrize("normalization", ["bntt", "bn"])
def test_numeric_gradient_without_neurons(passes: str, normalization: str, stored: int, training: bool) -> None:
    """Also through mean and variance, which follow the currents."""
    case = Case(normalization=normalization, steps=3, stored=stored, training=training, shape=(2, 2, 2, 1))
    norm = case.norm()

    def of(currents: Tensor, skip: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        statistics = norm.statistics(currents, 3)
        return normalize_and_fire(currents, gain, bias, statistics, steps=3, skip=skip, leak=None, surrogate=AUTHORS)

    given = (case.currents(), case.joined(), norm.gain.detach(), norm.bias.detach())
    assert gradcheck(of, [value.clone().requires_grad_() for value in given])


def test_numeric_gradient_finds_what_is_left_out(passes: str) -> None:
    """Without the influence of mean and variance the check above would fail, so it can."""
    norm = Case(steps=3, stored=3).norm()

    def of(currents: Tensor) -> Tensor:
        found = norm.statistics(currents, 3)
        statistics = Statistics(mean=found.mean, inverse=found.inverse, count=0)
        return normalize_and_fire(
            currents,
            norm.gain.detach(),
            norm.bias.detach(),
            statistics,
            steps=3,
            skip=None,
            leak=None,
            surrogate=AUTHORS,
        )

    currents = Case(steps=3, stored=3, shape=(2, 5, 2, 1)).currents().requires_grad_()
    assert not gradcheck(of, [currents], raise_exception=False)


@pytest.mark.parametrize("leak", [1.0, 0.8744, 0.0])
def test_gradient_of_the_neurons_satisfies_its_recurrence(passes: str, leak: float) -> None:
    """dL/du[t] - leak dL/du[t + 1] = dL/ds[t] 0.3 max(0, 1 - |u[t] - 1|), with u from the spikes that came out:
    u[t] is all charge so far less the spikes before, each leaked since. With gain 1, dL/du is that of the currents."""
    steps = 12
    currents, weights = drawn(steps, 2, 3, 4, 4).requires_grad_(), drawn(steps, 2, 3, 4, 4, seed=3)
    spikes = neurons(currents, leak)
    (grad,) = torch.autograd.grad((spikes * weights).sum(), currents)
    before = torch.cat([torch.zeros_like(spikes[:1]), spikes[:-1]])
    lag = torch.arange(steps).view(-1, 1) - torch.arange(steps)
    kept = torch.where(lag >= 0, leak ** lag.clamp(0).double(), 0.0).double()
    charge = torch.einsum("ts,s...->t...", kept, currents.detach() - leak * THRESHOLD * before)
    following = torch.cat([grad[1:], torch.zeros_like(grad[:1])])
    torch.testing.assert_close(grad - leak * following, weights * AUTHORS(charge - 1.0), rtol=1e-12, atol=1e-12)
    assert torch.equal((charge > THRESHOLD).double(), spikes)


@pytest.mark.parametrize("layout", [lambda v: v, lambda v: v.contiguous(memory_format=torch.channels_last)])
def test_any_memory_format(passes: str, layout: Callable[[Tensor], Tensor]) -> None:
    """The same bits whether channels or pixels lie side by side, in the currents as in the gradient."""
    case = Case()
    currents = layout(case.currents().flatten(0, 1)).unflatten(0, (4, 3)).requires_grad_()
    output = normalized(case.norm(), currents, skip=case.joined(), leak=case.leak)
    (grad,) = torch.autograd.grad((output * case.weights()).sum(), currents)
    expected = computed(case, passes)
    assert torch.equal(output, expected["output"])
    assert torch.equal(grad, expected["currents"])


def test_only_what_needs_a_gradient_gets_one(passes: str) -> None:
    """The image of the first layer has none; parameters still do."""
    case = Case()
    norm = case.norm()
    normalized(norm, case.currents(), skip=case.joined(), leak=case.leak).sum().backward()
    expected = computed(case, "plain")
    assert norm.gain.grad is not None
    assert norm.gain.grad.shape == expected["gain"].shape
