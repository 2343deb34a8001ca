"""Direct encoding makes no copy. Poisson encoding fires with the sign and rate of the pixel."""

from math import sqrt

import pytest
import torch
from torch import Tensor

from models.encoding import direct, latency, poisson
from tests.models.small import drawn


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def constant(value: float) -> Tensor:
    return torch.full((20, 1, 20, 20), value)


def test_direct_stores_one_step_without_a_copy() -> None:
    images = drawn(2, 3, 4, 4)
    shown = direct(images, 5, None)
    assert shown.shape == (1, 2, 3, 4, 4)
    assert shown.data_ptr() == images.data_ptr()
    assert torch.equal(shown[0], images)


def test_poisson_gives_signed_spikes() -> None:
    images = drawn(4, 3, 8, 8)
    spikes = poisson(images, 10, generator())
    assert spikes.shape == (10, 4, 3, 8, 8)
    assert spikes.dtype == images.dtype
    assert spikes.unique().tolist() == [-1, 0, 1]
    fired = spikes != 0
    assert torch.equal(spikes[fired], images.sign().expand_as(spikes)[fired])


@pytest.mark.parametrize("value", [0.1, -0.6, 1.0, -1.8])
def test_rate_is_half_the_pixel(value: float) -> None:
    """A binomial rate of n draws deviates by 5 sqrt(p (1 - p) / n) once in two million; the draws are fixed."""
    spikes = poisson(constant(value), 10, generator())
    rate, n = abs(value) / 2, spikes.numel()
    assert abs(spikes.abs().mean().item() - rate) < 5 * sqrt(rate * (1 - rate) / n)


@pytest.mark.parametrize(("value", "spike"), [(2.0, 1), (2.6, 1), (-3.0, -1), (0.0, 0)])
def test_rates_of_one_and_zero(value: float, spike: int) -> None:
    assert poisson(constant(value), 2, generator()).unique().tolist() == [spike]


def test_poisson_follows_from_the_generator() -> None:
    images = drawn(2, 3, 8, 8)
    assert torch.equal(poisson(images, 4, generator()), poisson(images, 4, generator()))
    assert not torch.equal(poisson(images, 4, generator()), poisson(images, 4, generator(1)))


def test_steps_and_samples_are_drawn_anew() -> None:
    spikes = poisson(constant(1.0), 2, generator())
    assert not torch.equal(spikes[:, 0], spikes[:, 1])
    assert not torch.equal(spikes[0], spikes[1])


def test_latency_by_hand() -> None:
    """T = 5: |x| of 2 and more at step 0, 1 at step (1 - 1/2) 4 = 2, 0.5 at step 3, 0.1 at step 3.8, so 4; 0 never."""
    spikes = latency(torch.tensor([[3.0, 2.0, -1.0, 0.5, 0.1, 0.0]]), 5, None)
    assert spikes.shape == (5, 1, 6)
    assert spikes[:, 0].mT.tolist() == [
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, -1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0],
    ]


def test_latency_gives_each_pixel_one_spike() -> None:
    images = drawn(4, 3, 8, 8)
    spikes = latency(images, 6, None)
    assert torch.equal(spikes.sum(0), images.sign())
    assert torch.equal(spikes.abs().sum(0), torch.ones_like(images))
