"""The same inputs give the same bits, when repeated and with any number of threads."""

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
from torch import Tensor

from models.kernels import cpu, reference
from models.surrogate import AUTHORS
from tests.models.small import drawn

STEPS, PIXELS, CHANNELS = 3, 4001, 7  # 4 blocks of 32 tiles of 36 pixels
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
Passes = Callable[[ModuleType, torch.dtype], tuple[Tensor, ...]]


def values(dtype: torch.dtype, seed: int = 2, steps: int = STEPS) -> Tensor:
    return drawn(steps, PIXELS, CHANNELS, seed=seed).to(dtype)


def factors(dtype: torch.dtype, seed: int) -> Tensor:
    return drawn(STEPS, CHANNELS, seed=seed).to(reference.statistics_type(dtype))


def moments(module: ModuleType, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return module.moments(values(dtype))


def fire(module: ModuleType, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return (module.fire(values(dtype), factors(dtype, 3), factors(dtype, 4), values(dtype, 5), 0.8744),)


def fire_backward(module: ModuleType, dtype: torch.dtype) -> tuple[Tensor, ...]:
    given = (values(dtype, 5), values(dtype), factors(dtype, 3), factors(dtype, 4), factors(dtype, 6))
    return module.fire_backward(*given, 0.8744, AUTHORS)


def combine(module: ModuleType, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return (module.combine(values(dtype), values(dtype, 5, 1), *(factors(dtype, seed) for seed in (3, 4, 6))),)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("computed", [moments, fire, fire_backward, combine])
def test_any_number_of_threads(computed: Passes, dtype: torch.dtype, threads: Callable[[int], None]) -> None:
    found = []
    for count in (1, 2, 1, 2):
        threads(count)
        found.append(computed(cpu, dtype))
    for other in found[1:]:
        assert all(torch.equal(one, again) for one, again in zip(found[0], other, strict=True))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("computed", [moments, fire, fire_backward, combine])
def test_the_reference_computes_the_same(computed: Passes, dtype: torch.dtype) -> None:
    """Within the rounding of the type: a sum of 4001 numbers, or what is stored."""
    limits = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 2 * 2.0**-7}
    for one, other in zip(computed(cpu, dtype), computed(reference, dtype), strict=True):
        assert one.dtype == other.dtype
        limit = limits[dtype] * max(1.0, other.abs().max().item())
        assert (one.double() - other.double()).abs().max().item() <= limit


@pytest.mark.parametrize("module", [cpu, reference])
@pytest.mark.parametrize("leak", [0.8744, None])
def test_given_values_are_left_alone(module: ModuleType, leak: float | None) -> None:
    """Only `driven` may be overwritten, and only by `combine`."""
    given = [values(torch.float64, 5), values(torch.float64), *(factors(torch.float64, seed) for seed in (3, 4, 6))]
    kept = [value.clone() for value in given]
    grad, currents, scale, shift, mean = given
    module.moments(currents)
    module.fire(currents, scale, shift, grad, leak)
    driven, *_ = module.fire_backward(grad, currents, scale, shift, mean, leak, AUTHORS)
    module.combine(driven, currents, scale, shift, mean)
    assert all(torch.equal(value, before) for value, before in zip(given, kept, strict=True))
