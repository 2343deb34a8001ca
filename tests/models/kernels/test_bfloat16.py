"""bfloat16 in compiled loops is torch's bfloat16: the same widening, the same rounding, and exact sums of spikes."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from models.kernels import cpu, reference
from tests.models.kernels.plain import Case, computed
from tests.models.small import drawn, neurons


def every_bfloat16() -> Tensor:
    """All that are no NaN, (65282,)."""
    values = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    return values[~values.isnan()]


def rounded(values: Tensor) -> Tensor:
    """float32 numbers stored by the compiled loops as bfloat16: 0 times a current, plus the number as the shift."""
    nothing = torch.zeros(1, len(values))
    return cpu.fire(nothing.unsqueeze(0).bfloat16(), nothing, values.unsqueeze(0), None, None).flatten()


def bits(values: Tensor) -> Tensor:
    return values.view(torch.int16)


def test_widening_is_exact() -> None:
    """Every finite number, read as a current and written again with scale 1 and shift 0, keeps its bits; a zero loses
    its sign, as in -0 + 0."""
    values = every_bfloat16()
    values = values[values.isfinite() & (values != 0)]
    one = torch.ones(1, len(values))
    stored = cpu.fire(values.view(1, 1, -1), one, 0 * one, None, None)
    assert torch.equal(bits(stored[0, 0]), bits(values))


def numbers() -> Iterator[tuple[str, Tensor]]:
    finite = every_bfloat16()
    finite = finite[finite.isfinite() & (finite.abs() < 3e38)]
    wide = finite.float()
    half = 0x8000
    yield "ties", (wide.view(torch.int32) + half).view(torch.float32)
    yield "just below a tie", (wide.view(torch.int32) + half - 1).view(torch.float32)
    yield "just above a tie", (wide.view(torch.int32) + half + 1).view(torch.float32)
    yield "drawn", drawn(50_000).float()
    yield "drawn of any size", drawn(50_000, seed=3).float() * (20 * drawn(50_000, seed=4)).exp2().float()
    yield "largest", torch.tensor([3.4028235e38, -3.4028235e38, 3.3895314e38, 3.39e38, float("inf"), -float("inf")])


@pytest.mark.parametrize(("name", "values"), list(numbers()), ids=lambda part: part if isinstance(part, str) else "")
def test_rounding_is_torchs(name: str, values: Tensor) -> None:
    """To the nearest, halves to even, beyond the largest to infinity."""
    expected = (values + 0.0).bfloat16()  # as the loop adds it
    assert torch.equal(bits(rounded(values)), bits(expected))


def test_ties_go_to_even() -> None:
    """Between 1 and 1 + 2^-7 to 1, between 1 + 2^-7 and 1 + 2^-6 to the latter; the same below zero."""
    step = 2.0**-7
    values = torch.tensor([1 + step / 2, 1 + 1.5 * step, -1 - step / 2, -1 - 1.5 * step])
    assert rounded(values).tolist() == [1.0, 1 + 2 * step, -1.0, -1 - 2 * step]


def test_no_number_stays_none() -> None:
    assert rounded(torch.tensor([float("nan"), -float("nan")])).isnan().all()


def test_spikes_add_up_exactly(passes: str) -> None:
    """Spikes on whole numbers up to 255 are whole numbers that bfloat16 has: 8 bits."""
    currents = torch.full((1, 1, 1, 16, 16), 1.5, dtype=torch.bfloat16)
    skip = torch.arange(256.0).view(1, 1, 1, 16, 16).bfloat16()
    assert torch.equal(neurons(currents, 1.0, skip=skip).float(), skip.float() + 1)


@pytest.mark.parametrize("stored", [4, 1])
@pytest.mark.parametrize("leak", [0.8744, None])
@pytest.mark.parametrize("normalization", ["bntt", "bn"])
def test_compiled_and_reference_agree(normalization: str, leak: float | None, stored: int) -> None:
    """To two units in the last place of bfloat16 (2^-7) of the largest value; sums are float32. Spikes are the same."""
    case = Case(normalization=normalization, leak=leak, stored=stored, dtype=torch.bfloat16)
    one, other = computed(case, "reference"), computed(case, "cpu")
    for key, value in one.items():
        assert other[key].dtype == value.dtype
        limit = 2 * 2.0**-7 * value.abs().max().item()
        assert (other[key].float() - value.float()).abs().max().item() <= limit, key
    assert {key for key, value in one.items() if value.dtype == torch.bfloat16} == {"output", "currents", "skip"}


def test_statistics_are_of_float32() -> None:
    """Thousands of values of 300 with a spread of 4 would be lost in a sum in bfloat16."""
    currents = (300 + 4 * drawn(1, 4096, 3)).bfloat16()
    for module in (cpu, reference):
        mean, deviations = module.moments(currents)
        assert mean.dtype == deviations.dtype == torch.float32
        exact = currents.double()
        torch.testing.assert_close(mean.double(), exact.mean(1), rtol=1e-6, atol=0)
        torch.testing.assert_close(deviations.double(), exact.var(1, correction=0) * 4096, rtol=1e-5, atol=0)
