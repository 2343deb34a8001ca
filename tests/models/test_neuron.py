"""The neuron's trajectory and gradient, by hand. All steps in one operation equal the repeated single step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models import neuron
from models.neuron import Neurons, lif_step
from models.surrogate import AUTHORS
from tests.models.small import drawn, neurons, stepped
from tests.train.tiny import NETWORK

SLOWER = "ignore:the fused kernels support only"


def trajectory(currents: list[float], leak: float, reset: str = "subtract") -> tuple[list[float], list[float]]:
    """Spikes of one neuron, and its membrane after each step."""
    membrane, spikes, membranes = torch.zeros(()), [], []
    for current in currents:
        spike, membrane = lif_step(torch.tensor(current), membrane, leak, AUTHORS, reset)
        spikes.append(spike.item())
        membranes.append(membrane.item())
    return spikes, membranes


def through_time(currents: list[float], leak: float) -> list[float]:
    """Spikes of one neuron, all steps in one call."""
    return neurons(torch.tensor(currents).view(-1, 1, 1, 1, 1), leak).flatten().tolist()


def test_constant_current(passes: str) -> None:
    """Half of the membrane leaks away at each step: 0.75, 0.375 + 0.75 = 1.125 (a spike leaves 0.125), ..."""
    spikes, membranes = trajectory([0.75] * 5, leak=0.5)
    assert membranes == [0.75, 0.125, 0.8125, 0.15625, 0.828125]
    assert spikes == [0, 1, 0, 1, 0] == through_time([0.75] * 5, leak=0.5)


def test_a_membrane_at_the_threshold_does_not_fire(passes: str) -> None:
    """Without a leak: 1 is not above 1; then 1 + 1 = 2 is."""
    spikes, membranes = trajectory([1.0, 1.0, 1.0], leak=1.0)
    assert membranes == [1.0, 1.0, 1.0]
    assert spikes == [0, 1, 1] == through_time([1.0, 1.0, 1.0], leak=1.0)


def test_reset_subtracts_the_threshold_and_keeps_the_rest(passes: str) -> None:
    """A current of 3.5 gives one spike a step until its charge is used up: 2.5, 1.5, 0.5."""
    spikes, membranes = trajectory([3.5, 0.0, 0.0, 0.0], leak=1.0)
    assert membranes == [2.5, 1.5, 0.5, 0.5]
    assert spikes == [1, 1, 1, 0] == through_time([3.5, 0.0, 0.0, 0.0], leak=1.0)


def test_with_a_leak_of_zero_a_current_alone_decides(passes: str) -> None:
    """0.9 after 0.9 stays below the threshold, and a spike takes nothing from the next step."""
    currents = [0.9, 0.9, 2.5, 1.5, -3.0, 1.1]
    assert trajectory(currents, leak=0.0)[0] == [0, 0, 1, 1, 0, 1] == through_time(currents, leak=0.0)


def test_negative_current_does_not_fire(passes: str) -> None:
    spikes, membranes = trajectory([-3.0, 1.0], leak=0.5)
    assert (spikes, membranes) == ([0, 0], [-3.0, -0.5])
    assert through_time([-3.0, 1.0], leak=0.5) == [0, 0]


def test_triangle() -> None:
    """0.3 at the threshold, half of it half-way, 0 from a distance of 1 on."""
    excess = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0], dtype=torch.float64)
    expected = torch.tensor([0.0, 0.0, 0.15, 0.3, 0.225, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(AUTHORS(excess), expected)
    assert excess[0] == -2.0  # it worked on a copy


@pytest.mark.parametrize("spikes_of", [stepped, neurons])
def test_gradient_by_hand(passes: str, spikes_of: Callable[[Tensor, float], Tensor]) -> None:
    """Currents 1.5, 0.5, 1 at leak 0.5 bring the membrane to 1.5 (spike, leaves 0.5), 0.75 and 1.375 (spike).

    The triangle there is 0.15, 0.225 and 0.1875. With weights 1, 2, 4 on the three spikes:
    last 4 x 0.1875 = 0.75; before it 2 x 0.225 + 0.5 x 0.75 = 0.825; first 0.15 + 0.5 x 0.825 = 0.5625.
    A gradient through the reset would take away 0.225 and 0.15 of what is carried back: 0.740625, 0.464765625.
    """
    currents = torch.tensor([1.5, 0.5, 1.0], dtype=torch.float64).view(3, 1, 1, 1, 1).requires_grad_()
    spikes = spikes_of(currents, 0.5)
    assert spikes.flatten().tolist() == [1, 0, 1]
    (spikes.flatten() * torch.tensor([1.0, 2.0, 4.0])).sum().backward()
    torch.testing.assert_close(currents.grad.flatten(), torch.tensor([0.5625, 0.825, 0.75], dtype=torch.float64))


@pytest.mark.parametrize("leak", [1.0, 0.8744, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_steps_at_once_give_the_spikes_of_the_steps(passes: str, leak: float, dtype: torch.dtype) -> None:
    currents = drawn(20, 3, 5, 7, 6).to(dtype)
    fused = neurons(currents, leak)
    assert fused.dtype == dtype
    assert torch.equal(fused, stepped(currents, leak))
    assert 0.05 < fused.mean() < 0.95


@pytest.mark.parametrize("leak", [1.0, 0.8744])
def test_all_steps_at_once_give_the_gradient_of_the_steps(passes: str, leak: float) -> None:
    currents = drawn(20, 2, 3, 4, 4).requires_grad_()
    outer = drawn(40, 48).view_as(currents)
    (fused,) = torch.autograd.grad((neurons(currents, leak) * outer).sum(), currents)
    (steps,) = torch.autograd.grad((stepped(currents, leak) * outer).sum(), currents)
    torch.testing.assert_close(fused, steps, rtol=1e-12, atol=1e-12)
    assert fused.count_nonzero() > fused.numel() // 2


def test_one_stored_step_drives_every_step(passes: str) -> None:
    """Spikes and gradients are those of currents that are repeated."""
    image = (2 * drawn(1, 2, 3, 4, 4)).requires_grad_()
    outer = drawn(6, 2, 3, 4, 4)
    once, repeated = neurons(image, 0.5, steps=6), stepped(image.expand(6, -1, -1, -1, -1), 0.5)
    assert torch.equal(once, repeated)
    (once_grad,) = torch.autograd.grad((once * outer).sum(), image)
    (repeated_grad,) = torch.autograd.grad((repeated * outer).sum(), image)
    torch.testing.assert_close(once_grad, repeated_grad, rtol=1e-12, atol=1e-12)


def test_samples_and_neurons_are_independent(passes: str) -> None:
    currents = drawn(6, 3, 2, 4, 4)
    together = neurons(currents, 0.8744)
    alone = neurons(currents[:, 1:2, 1:, 2:3], 0.8744)
    assert torch.equal(together[:, 1:2, 1:, 2:3], alone)


def test_integrate_and_fire_keeps_all(passes: str) -> None:
    """Leak 1: 0.25 four times is 1, which does not fire; the fifth does and leaves 0.25."""
    spikes, membranes = trajectory([0.25] * 5, leak=1.0)
    assert membranes == [0.25, 0.5, 0.75, 1.0, 0.25]
    assert spikes == [0, 0, 0, 0, 1] == through_time([0.25] * 5, leak=1.0)


def test_reset_to_zero_forgets_the_rest() -> None:
    """1.5 fires and leaves nothing; then 0.75, and 0.375 + 0.75 = 1.125 fires."""
    assert trajectory([1.5, 0.75, 0.75], leak=0.5, reset="zero") == ([1, 0, 1], [0.0, 0.75, 0.0])


def test_without_a_reset_a_membrane_fires_until_it_has_leaked_away() -> None:
    """4, 2, 1: the last is not above 1."""
    assert trajectory([4.0, 0.0, 0.0], leak=0.5, reset="none") == ([1, 1, 0], [4.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("reset", "first"),
    [
        ("subtract", 0.5625),
        # 2 x 0.225 + 0.5 x (1 - 0.225) x 0.75 = 0.740625 for the second; 0.15 + 0.5 x (1 - 0.15) x 0.740625
        ("subtract-with-gradient", 0.464765625),
    ],
)
def test_gradient_through_the_reset_by_hand(reset: str, first: float) -> None:
    """The currents and weights of test_gradient_by_hand."""
    currents = torch.tensor([1.5, 0.5, 1.0], dtype=torch.float64).requires_grad_()
    weights = torch.tensor([1.0, 2.0, 4.0])
    (grad,) = torch.autograd.grad((stepped(currents, 0.5, reset=reset) * weights).sum(), currents)
    assert grad[0].item() == pytest.approx(first, rel=1e-12)


def test_a_reset_to_zero_cuts_the_gradient() -> None:
    """A membrane that fired is forgotten: only its own spike tells on its current, 0.15; one that did not fire passes
    half of what comes after: 0.3 x 0.5 (at 0.5) + 0.5 x 0.3 x 0.75 (at 1.25)."""
    for currents, first in (([1.5, 1.25], 0.15), ([0.5, 1.0], 0.15 + 0.5 * 0.225)):
        given = torch.tensor(currents, dtype=torch.float64).requires_grad_()
        (grad,) = torch.autograd.grad(stepped(given, 0.5, reset="zero").sum(), given)
        assert grad[0].item() == pytest.approx(first, rel=1e-12)


def made(**parts: Any) -> Neurons:
    return Neurons(replace(NETWORK, **parts), 2).double()


@pytest.mark.filterwarnings(SLOWER)
@pytest.mark.parametrize("reset", ["subtract", "subtract-with-gradient", "zero", "none"])
@pytest.mark.parametrize(("leak_trained", "leaks"), [("never", 0), ("layer", 1), ("channel", 2)])
def test_a_layer_of_neurons_is_the_step_repeated(reset: str, leak_trained: str, leaks: int) -> None:
    """And a trained leak starts at the configuration's."""
    layer = made(reset=reset, leak_trained=leak_trained, leak=0.75)
    assert sum(parameter.numel() for parameter in layer.parameters()) == leaks
    currents = drawn(6, 3, 2, 4, 4)
    assert torch.equal(layer(currents), stepped(currents, 0.75, reset=reset))


@pytest.mark.filterwarnings(SLOWER)
def test_gradient_of_a_trained_leak_by_hand() -> None:
    """Currents 0.5 and 0.25, leak 3/4: membranes 0.5 and 0.625, slope at the second 0.3 x 0.625 = 0.1875.
    The leak's gradient is 0.1875 x 0.5, the logit's that times 3/4 x 1/4. The other channel has no current, so none."""
    layer = made(leak_trained="channel", leak=0.75)
    currents = torch.tensor([[0.5, 0.0], [0.25, 0.0]], dtype=torch.float64).view(2, 1, 2, 1, 1)
    spikes = layer(currents)
    assert spikes.abs().max() == 0
    (grad,) = torch.autograd.grad(spikes.sum(), list(layer.parameters()))
    torch.testing.assert_close(grad, torch.tensor([0.1875 * 0.5 * 0.1875, 0.0], dtype=torch.float64))


@pytest.mark.filterwarnings(SLOWER)
@pytest.mark.parametrize("logit", [-1e4, 0.0, 1e4])
def test_a_trained_leak_stays_a_leak(logit: float) -> None:
    """No membrane can grow by itself: after a current of 0.5 it is between 0 and 0.5 for ever."""
    layer = made(leak_trained="layer")
    layer.leak_logit.data.fill_(logit)
    currents = torch.zeros(50, 1, 2, 1, 1, dtype=torch.float64)
    currents[0] = 0.5
    assert layer(currents).abs().max() == 0


def test_relu() -> None:
    values = torch.tensor([-1.0, 0.0, 2.5]).view(1, 1, 3, 1, 1)
    assert made(neuron="relu", time_steps=1)(values).flatten().tolist() == [0.0, 0.0, 2.5]


def test_what_the_kernels_do_not_know_is_said_once() -> None:
    neuron._warn.cache_clear()
    with pytest.warns(UserWarning, match=r"support only reset subtract .*not zero .*several times as long") as seen:
        assert len([made(reset="zero") for _ in range(3)]) == 3
    assert len(seen) == 1
    made()
