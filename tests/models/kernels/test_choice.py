"""Without kernels the reference implementation computes, with one warning."""

import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from models.kernels import choice, cpu, reference
from models.kernels.choice import chosen, implementation
from tests.models.small import drawn, neurons


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No module was chosen before the test, and none that it chose is kept."""
    choice._module.cache_clear()
    yield
    choice._module.cache_clear()


def missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An import of the module fails, as where its library is not installed."""
    monkeypatch.setitem(sys.modules, f"models.kernels.{name}", None)


def test_each_device_has_its_implementation() -> None:
    assert chosen(torch.zeros(1)) is cpu
    assert chosen(torch.zeros(1, device="meta")) is reference


def test_one_can_be_asked_for() -> None:
    with implementation("reference"):
        assert chosen(torch.zeros(1), "triangle") is reference
        with implementation("cpu"):
            assert chosen(torch.zeros(1, device="meta")) is cpu
        assert chosen(torch.zeros(1)) is reference
    assert chosen(torch.zeros(1)) is cpu


def test_an_error_within_ends_it() -> None:
    with pytest.raises(KeyError), implementation("reference"):
        raise KeyError
    assert chosen(torch.zeros(1)) is cpu


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_missing_module_is_replaced_with_one_warning(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    missing(monkeypatch, name)
    with implementation(name), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert all(chosen(torch.zeros(1), "triangle") is reference for _ in range(3))
    (warning,) = seen
    assert str(warning.message).startswith(f"kernels for {name} are missing (")
    assert str(warning.message).endswith("); using the slower reference")


def test_without_kernels_the_results_are_those_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    currents = drawn(4, 2, 3, 4, 4)
    with implementation("reference"):
        expected = neurons(currents, 0.8744)
    missing(monkeypatch, "cpu")
    with pytest.warns(UserWarning, match="kernels for cpu are missing"):
        found = neurons(currents, 0.8744)
    assert torch.equal(found, expected)


def test_an_unknown_surrogate_is_for_the_reference() -> None:
    with pytest.warns(
        UserWarning, match="kernels for cpu have no surrogate parabola; using the slower reference"
    ) as seen:
        assert all(chosen(torch.zeros(1), "parabola") is reference for _ in range(3))
    assert len(seen) == 1


@pytest.mark.parametrize("module", [cpu, reference])
def test_every_surrogate_of_a_module_is_one_of_the_project(module: ModuleType) -> None:
    assert set(module.SURROGATES) <= set(reference.SURROGATES)
