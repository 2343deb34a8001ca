"""The profile of a step covers all of its time, and counts the bytes that its passes must move."""

import pytest

from benchmarks import profile
from benchmarks.forms import Case
from benchmarks.profile import bytes_of_passes, kind, profile_of
from tests.train.tiny import NETWORK

TINY = Case(network=NETWORK, batch=2)


def test_bytes_of_the_passes() -> None:
    """Values of a layer: T B C H W = 8192, 4096, 2048 in the stages, 9 times, 10 with a skip; the first layer's
    currents are stored once for both steps: 5 x 4096 + 4 x 8192."""
    values = (5 * 4096 + 4 * 8192) + (9 + 10) * 8192 + (9 + 9 + 10) * (4096 + 2048)
    assert bytes_of_passes(TINY) == 4 * values


def test_names_of_operations() -> None:
    assert kind("NormalizeAndFireBackward") == "passes"
    assert kind("aten::convolution_backward") == "convolutions"
    assert kind("aten::add_") == "rest"


def test_a_step_has_all_three_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "COPIED", 1 << 20)
    found = profile_of(TINY)
    assert all(found[part] > 0 for part in ("convolutions", "passes", "rest", "copy_bytes_per_second"))
    assert found["passes_at_memory_speed"] == found["passes_bytes"] / found["copy_bytes_per_second"]
