"""The intervals of the study hold in a smaller simulation, which is deterministic."""

import json
from pathlib import Path

import pytest

from benchmarks import study_intervals
from benchmarks.study_intervals import (
    METHODS,
    SETTINGS,
    coverage,
    effects_of,
    false_interactions,
    kept,
    main,
    simulated,
)
from pipeline.ground.paths import RESULTS

SMALL = [setting for setting in SETTINGS if setting.like in ("digits-dvs", "nmnist-small")]


@pytest.mark.parametrize("setting", SMALL, ids=lambda setting: setting.like)
def test_intervals_hold_as_often_as_they_say(setting: study_intervals.StudySetting) -> None:
    """150 studies of 11 or 12 differences; intervals over seeds alone hold less often."""
    found = coverage(setting, 150)
    assert found["both"]["held"] == pytest.approx(0.95, abs=0.02)
    assert found["seeds alone"]["held"] < found["both"]["held"]


def test_a_seed_agrees_with_others_as_often_as_committed_ones_do() -> None:
    """Correlation of right answers between seeds of a part: 0.38 in the records of Digits-DVS."""
    import numpy as np

    (setting,) = [one for one in SETTINGS if one.like == "digits-dvs"]
    hits = simulated(setting, effects_of(setting), np.random.default_rng(0))
    same = [np.corrcoef(part)[np.triu_indices(3, 1)].mean() for part in hits]
    assert np.mean(same) == pytest.approx(0.38, abs=0.06)


def test_every_third_part_but_not_the_base_may_have_another_spread() -> None:
    (setting,) = [one for one in SETTINGS if one.like == "digits, spreads differ"]
    assert setting.spreads[:6] == pytest.approx([0.18, 0.18, 0.36, 0.18, 0.18, 0.36])


def test_the_stated_number_of_seeds_decides() -> None:
    assert 0.6 < kept(SMALL[0], 200)["decided"] < 0.95


def test_one_interaction_in_twenty_is_found_where_there_is_none() -> None:
    assert false_interactions(SMALL[0], 300) == pytest.approx(0.05, abs=0.025)


def test_it_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_intervals, "SETTINGS", SETTINGS[3:4])
    for name in ("a", "b"):
        main(["--studies", "4", "--output", str(tmp_path / name)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_committed_intervals_hold() -> None:
    committed = json.loads((RESULTS / "study-intervals.json").read_text(encoding="utf-8"))
    assert committed["studies"] == 2000
    assert [row["like"] for row in committed["settings"]] == [setting.like for setting in SETTINGS]
    assert all(0.94 <= row["both"]["held"] <= 0.97 for row in committed["settings"])
    assert all(row["both"]["least"] >= 0.93 for row in committed["settings"] if row["rough"] == 1)
    assert all(0.02 <= row["false_interactions"] <= 0.06 for row in committed["settings"] if row["rough"] == 1)
    assert all(name in row for row in committed["settings"] for name in METHODS)
