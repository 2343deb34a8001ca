"""Properties that hold for any shape and any leak."""

from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.kernels import cpu, reference
from models.kernels.choice import implementation
from models.surrogate import AUTHORS
from tests.models.kernels.plain import Case, computed
from tests.models.small import PASSES, drawn, neurons

QUICK = settings(max_examples=40, deadline=None, derandomize=True, database=None)
LEAKS = st.one_of(st.sampled_from([0.0, 1.0, 0.8744]), st.floats(0.0, 1.0, width=32))
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7))
"""T, B, C, H, W."""


def spiking(shape: tuple[int, ...], leak: float, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Currents, rounded to 1/64 so that their sums are exact, and their spikes."""
    currents = (drawn(*shape, seed=seed) * 96).round() / 64
    with implementation(name):
        return currents, neurons(currents, leak)


@pytest.mark.parametrize("name", PASSES)
@QUICK
@given(shape=SHAPES, leak=LEAKS, seed=st.integers(0, 99))
def test_spikes_are_zero_or_one(name: str, shape: tuple[int, ...], leak: float, seed: int) -> None:
    _, spikes = spiking(shape, leak, seed, name)
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}
    assert spikes.shape == shape


@QUICK
@given(shape=SHAPES, leak=LEAKS, seed=st.integers(0, 99))
def test_compiled_spikes_are_those_of_the_reference(shape: tuple[int, ...], leak: float, seed: int) -> None:
    (_, one), (_, other) = (spiking(shape, leak, seed, name) for name in PASSES)
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", PASSES)
@QUICK
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_without_a_leak_charge_is_kept(name: str, shape: tuple[int, ...], seed: int) -> None:
    """All currents = spikes + what is left on the membrane. The membrane is read from outside: a further current that
    brings it just above the threshold makes a spike, one that brings it to the threshold makes none."""
    currents, spikes = spiking(shape, 1.0, seed, name)
    left = currents.sum(0) - spikes.sum(0)
    with implementation(name):
        for missing, fires in ((1.0, 0.0), (1.0 + 2.0**-20, 1.0)):
            further = neurons(torch.cat([currents, (missing - left).unsqueeze(0)]), 1.0)
            assert (further[-1] == fires).all()


@pytest.mark.parametrize("name", PASSES)
@QUICK
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_with_a_leak_of_zero_nothing_is_carried(name: str, shape: tuple[int, ...], seed: int) -> None:
    currents, spikes = spiking(shape, 0.0, seed, name)
    assert torch.equal(spikes, (currents > 1.0).double())


@QUICK
@given(shape=SHAPES, leak=LEAKS, seed=st.integers(0, 99), once=st.booleans())
def test_every_compiled_pass_is_the_reference(shape: tuple[int, ...], leak: float, seed: int, once: bool) -> None:
    """To 1e-12 of the largest value, in float64; spikes bit for bit."""
    steps, pixels, channels = shape[0], prod((shape[1], *shape[3:])), shape[2]
    currents = drawn(1 if once else steps, pixels, channels, seed=seed)
    scale, shift, mean, a, b = drawn(5, steps, channels, seed=seed + 1)
    grad, skip = drawn(2, steps, pixels, channels, seed=seed + 2)
    for passes in (
        lambda module: module.moments(currents),
        lambda module: (module.fire(currents, scale, shift, skip, leak),),
        lambda module: module.fire_backward(grad, currents, scale, shift, mean, leak, AUTHORS),
        lambda module: (module.combine(grad.clone(), currents, a, b, shift),),
    ):
        for one, other in zip(passes(cpu), passes(reference), strict=True):
            assert one.shape == other.shape
            assert one.dtype == other.dtype
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * max(1.0, other.abs().max().item()))


@QUICK
@given(
    shape=SHAPES.filter(lambda shape: prod((shape[1], *shape[3:])) > 1),
    normalization=st.sampled_from(["bntt", "bn"]),
    leak=st.one_of(st.none(), LEAKS),
    skip=st.booleans(),
    training=st.booleans(),
    once=st.booleans(),
)
def test_the_operation_is_the_reference(
    shape: tuple[int, ...], normalization: str, leak: float | None, skip: bool, training: bool, once: bool
) -> None:
    """To 1e-9: two values a channel may have so small a variance that it multiplies what rounding differs by."""
    steps, *rest = shape
    case = Case(normalization, steps, 1 if once else steps, training, leak, skip, tuple(rest))
    one, other = (computed(case, name) for name in PASSES)
    for key, value in one.items():
        limit = 1e-9 * max(1.0, value.abs().max().item())
        torch.testing.assert_close(other[key], value, rtol=1e-9, atol=limit, msg=key)
