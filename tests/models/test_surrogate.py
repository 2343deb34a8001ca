"""Each surrogate derivative at distances that can be computed by hand, in every implementation."""

import math

import pytest
import torch

from models.surrogate import AUTHORS, SHAPES, Surrogate
from tests.models.small import drawn, neurons, stepped

E = math.exp(1.0)
BY_HAND = {
    "triangle": {0.0: 1.0, 0.5: 0.5, -0.5: 0.5, 1.0: 0.0, 3.0: 0.0},
    "rectangle": {0.0: 1.0, 0.49: 1.0, -0.49: 1.0, 0.5: 0.0, -2.0: 0.0},
    # s(1) = e / (1 + e), so 4 s (1 - s) = 4 e / (1 + e)^2
    "sigmoid": {0.0: 1.0, 1.0: 4 * E / (1 + E) ** 2, -1.0: 4 * E / (1 + E) ** 2},
    "arctangent": {0.0: 1.0, 1.0: 0.5, -2.0: 0.2, 3.0: 0.1},
    "fast-sigmoid": {0.0: 1.0, 1.0: 0.25, -3.0: 0.0625},
    # At 6 the middle Gaussian has 1.15 e^-18, the wide ones 0.025 e^(-25/72) and 0.025 e^(-49/72).
    "multi-gaussian": {
        0.0: 1.0,
        6.0: (1.15 * math.exp(-18) - 0.025 * (math.exp(-25 / 72) + math.exp(-49 / 72)))
        / (1.15 - 0.05 * math.exp(-1 / 72)),
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_by_hand(shape: str) -> None:
    """One at the threshold, then as the formula says; height and width scale both axes."""
    distances = torch.tensor(list(BY_HAND[shape]), dtype=torch.float64)
    expected = torch.tensor(list(BY_HAND[shape].values()), dtype=torch.float64)
    one = Surrogate(shape=shape, height=1.0, width=1.0)
    torch.testing.assert_close(one(distances), expected, rtol=1e-12, atol=1e-15)
    scaled = Surrogate(shape=shape, height=0.5, width=0.25)
    torch.testing.assert_close(scaled(distances / 4), expected / 2, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", ["triangle", "rectangle", "sigmoid", "arctangent", "fast-sigmoid"])
def test_positive_and_symmetric(shape: str) -> None:
    distances = drawn(50)
    surrogate = Surrogate(shape=shape, height=1.0, width=0.7)
    assert surrogate(distances).min() >= 0
    torch.testing.assert_close(surrogate(distances), surrogate(-distances), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_the_steps(passes: str, shape: str) -> None:
    """All steps at once, in each implementation, as autograd through one step after the other."""
    surrogate = Surrogate(shape=shape, height=0.7, width=0.6)
    currents = drawn(5, 2, 3, 4, 4).requires_grad_()
    outer = drawn(10, 48).view_as(currents)
    (fused,) = torch.autograd.grad((neurons(currents, 0.8744, surrogate=surrogate) * outer).sum(), currents)
    (steps,) = torch.autograd.grad((stepped(currents, 0.8744, surrogate=surrogate) * outer).sum(), currents)
    torch.testing.assert_close(fused, steps, rtol=1e-12, atol=1e-12)
    (others,) = torch.autograd.grad((stepped(currents, 0.8744) * outer).sum(), currents)
    assert not torch.allclose(fused, others)
    assert surrogate != AUTHORS
