"""Canaries hold with the installed libraries, and a library that behaves differently is named."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tonic.transforms
import torchvision.transforms.functional
from torch import Tensor

from pipeline.cli import command_line
from pipeline.verify import canaries, rules
from pipeline.verify.canaries import CANARIES, Canary, CanaryOutcome, changed_rules, run_canaries
from pipeline.verify.rules import RULES

NAMED = {canary.name: canary for canary in CANARIES}


def outcome(name: str) -> CanaryOutcome:
    return canaries._run(NAMED[name])


def test_every_rule_is_as_pinned_or_its_library_is_not_installed() -> None:
    outcomes = run_canaries()
    assert changed_rules(outcomes) == []
    states = {outcome.canary.package: outcome.state for outcome in outcomes}
    assert (states["tonic"], states["torchvision"]) == ("as pinned", "as pinned")
    assert len(NAMED) == len(CANARIES)


def test_a_library_that_is_absent_is_not_passed() -> None:
    absent = canaries._run(replace(CANARIES[0], package="no-such-package"))
    assert (absent.state, absent.version) == ("not installed", None)


@pytest.mark.parametrize("name", ["tonic-remainder", "tonic-incomplete-slice"])
def test_a_tonic_that_keeps_the_remainder_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def keeping(**_: object) -> Any:
        return lambda events: np.ones((len(events), 1))

    monkeypatch.setattr(tonic.transforms, "ToFrame", keeping)
    assert (outcome(name).state, outcome(name).found) == ("CHANGED", "7")


@pytest.mark.parametrize("name", ["tonic-empty", "tonic-axes"])
def test_a_tonic_with_other_shapes_or_axes_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def turned(**_: object) -> Any:
        frames = np.zeros((1, 2, 4, 4))
        frames[0, 1, 1, 2] = 1
        return lambda events: frames[: len(events)]

    monkeypatch.setattr(tonic.transforms, "ToFrame", turned)
    assert outcome(name).state == "CHANGED"


def test_a_tonic_that_sorts_its_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = canaries._listing

    def sorted_listing(*arguments: Any) -> Any:
        return [(path, folders, sorted(files)) for path, folders, files in listing(*arguments)]

    monkeypatch.setattr(canaries, "_listing", sorted_listing)
    assert outcome("tonic-file-order").found == "['a', 'b']"


def test_a_torchvision_with_another_default_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    resize = torchvision.transforms.functional.resize
    monkeypatch.setattr(
        torchvision.transforms.functional,
        "resize",
        lambda picture, size, antialias=False: resize(picture, size, antialias=antialias),
    )
    assert outcome("torchvision-antialias").found == "not antialiased"
    monkeypatch.setattr(
        torchvision.transforms.functional, "resize", lambda picture, size, antialias: picture[:, 1::2, 1::2]
    )
    assert outcome("torchvision-mean").state == "CHANGED"


def test_a_spikingjelly_that_drops_the_remainder_or_turns_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is not installed: the probe is run on a stand-in."""
    stand_in = SimpleNamespace(
        integrate_events_by_fixed_frames_number=lambda *_: np.ones((3, 2)),
        _load_origin_data=lambda path: {"x": [3], "y": [100], "p": [path.stat().st_size - 21]},
    )
    monkeypatch.setattr(canaries, "spikingjelly", lambda name: stand_in)
    monkeypatch.setattr(canaries, "version", lambda package: "9")
    assert [outcome(name).found for name in ("spikingjelly-remainder", "spikingjelly-axes")] == [
        "[2, 2, 2]",
        "[3, 100, 1]",
    ]


def test_a_name_that_is_gone_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tonic.transforms, "ToFrame")
    assert outcome("tonic-remainder").found.startswith("ImportError: ")


def test_the_command_says_all_and_fails_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line.main(["canaries"])
    said = capsys.readouterr().out
    assert all(canary.name in said for canary in CANARIES)
    drifted: Canary = replace(NAMED["tonic-remainder"], pinned=7)
    monkeypatch.setattr(canaries, "CANARIES", (drifted,))
    with pytest.raises(SystemExit) as error:
        command_line.main(["canaries"])
    assert "tonic-remainder: tonic" in str(error.value)
    assert "gives 6, pinned 7" in str(error.value)
    assert "up to T - 1 events" in str(error.value)


def test_every_rule_of_our_network_and_data_is_as_pinned() -> None:
    assert [outcome.state for outcome in run_canaries(RULES)] == ["as pinned"] * len(RULES)


def test_a_threshold_that_fires_on_equality_and_a_reset_to_zero_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_zero_at_equality(current: Tensor, membrane: Tensor, leak: float, surrogate: str) -> tuple[Tensor, Tensor]:
        membrane = leak * membrane + current
        spikes = (membrane >= 1).float()
        return spikes, membrane * (1 - spikes)

    monkeypatch.setattr(rules, "lif_step", to_zero_at_equality)
    lines = changed_rules(run_canaries(RULES))
    assert [line.split(":")[0] for line in lines] == ["threshold", "reset"]
