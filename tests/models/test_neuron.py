"""The neuron's trajectory and its gradient, by hand; all steps in one operation are the step repeated."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.neuron import lif_step
from models.surrogate import AUTHORS
from tests.models.small import drawn, neurons


def trajectory(currents: list[float], leak: float) -> tuple[list[float], list[float]]:
    """Spikes of one neuron, and its membrane after each step."""
    membrane, spikes, membranes = torch.zeros(()), [], []
    for current in currents:
        spike, membrane = lif_step(torch.tensor(current), membrane, leak, AUTHORS)
        spikes.append(spike.item())
        membranes.append(membrane.item())
    return spikes, membranes


def through_time(currents: list[float], leak: float) -> list[float]:
    """Spikes of one neuron, all steps in one call."""
    return neurons(torch.tensor(currents).view(-1, 1, 1, 1, 1), leak).flatten().tolist()


def stepped(currents: Tensor, leak: float) -> Tensor:
    """Spikes of (T, ...), a step at a time."""
    membrane, spikes = torch.zeros_like(currents[0]), []
    for current in currents:
        spike, membrane = lif_step(current, membrane, leak, AUTHORS)
        spikes.append(spike)
    return torch.stack(spikes)


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
    A gradient through the reset would make the first 0.15 + 0.5 x 0.825 x (1 - 0.15) = 0.500625.
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
