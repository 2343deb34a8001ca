"""Interactions of two parts, by hand and on made-up records."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.special import stdtr

from pipeline.report.study.grid import Compared
from pipeline.report.study.labels import pair_text
from pipeline.report.study.pairs import PartPair, interacting, pairs_of
from pipeline.report.study.pooled import PooledSpread, scores_of
from tests.report.study.test_pooled import SAMPLES, nested
from tests.report.study.test_study import dataset_of, made

CONFIGURATIONS = {
    "base": {"leak": 0.9, "reset": "subtract", "blocks": 1},
    "a": {"leak": 1.0, "reset": "subtract", "blocks": 1},
    "b": {"leak": 0.9, "reset": "zero", "blocks": 1},
    "both": {"leak": 1.0, "reset": "zero", "blocks": 1},
    "all": {"leak": 1.0, "reset": "zero", "blocks": 2},
}


def pairs(steady: set[str], **counts: list[int]) -> list[PartPair]:
    evidence = Compared(scores=scores_of(nested(**counts)), spread=PooledSpread(total=0.04, seeds=0.01, freedom=4))
    return pairs_of(CONFIGURATIONS, steady, evidence)


def test_an_interaction_by_hand() -> None:
    """Two seeds: the four means' sum with signs, its variance with the covariances of all eight trainings."""
    counts = {"base": [500, 520], "a": [600, 610], "b": [550, 580], "both": [800, 790]}
    (found,) = pairs(set(counts), **counts)
    scores = scores_of(nested(**counts))
    weights = np.array([1, 1, -1, -1, -1, -1, 1, 1]) / 2
    variance = 4 * 0.01 / 2 + weights @ scores.covariance @ weights
    freedom = 1 / (min(4 * 0.04 / 2 / variance, 1.0) ** 2 / 4 + 1 / (SAMPLES - 1))
    assert (found.part, found.other, found.both) == ("a", "b", "both")
    assert (found.without.points, found.beside.points) == pytest.approx((9.5, 23.0))
    assert found.p_value == pytest.approx(2 * stdtr(freedom, -abs(weights @ scores.odds) / sqrt(variance)))


def test_only_whole_factorials_of_steady_parts_with_a_common_seed_are_pairs() -> None:
    counts = {name: [500, 520] for name in CONFIGURATIONS}
    assert [pair.both for pair in pairs(set(counts), **counts)] == ["both"]
    for missing in ("base", "a", "b", "both"):
        assert pairs(set(counts) - {missing}, **counts) == []
        assert pairs(set(counts), **{name: counts[name] for name in counts if name != missing}) == []
    hits = nested(**counts)
    hits["b"] = {2: hits["b"][0]}
    evidence = Compared(scores=scores_of(hits), spread=PooledSpread(total=0.04, seeds=0.01, freedom=4))
    assert pairs_of(CONFIGURATIONS, set(counts), evidence) == []


def test_interactions_are_corrected_for_all_pairs() -> None:
    (one,) = pairs(set(CONFIGURATIONS), **{name: [500, 520] for name in CONFIGURATIONS})
    many = [replace(one, both=str(value), p_value=value) for value in (0.01, 0.03, 0.04)]
    assert interacting(many) == {"0.01"}


def test_the_page_says_which_parts_depend_on_each_other() -> None:
    """bn is worth 4 points, and with leak 1 it takes 30; membrane with leak 1 is as good as without."""
    dataset = dataset_of(
        [
            *made("base", [80.0, 81.0, 82.0]),
            *made("bn", [84.0, 85.1, 85.9], normalization="bn"),
            *made("leak", [80.0, 81.2, 81.9], leak=1.0),
            *made("membrane", [82.0, 83.1, 83.9], shortcut="membrane"),
            *made("bn-leak", [50.0, 51.5, 52.0], normalization="bn", leak=1.0),
            *made("membrane-leak", [82.0, 83.0, 84.1], shortcut="membrane", leak=1.0),
        ]
    )
    said = {pair.both: pair_text(dataset, pair) for pair in dataset.pairs}
    assert said["bn-leak"] == "depend on each other, p < 0.001"
    assert said["membrane-leak"].startswith("open, p = 0.")
    assert {cell.part for cell in dataset.cells} == {"base", "bn", "leak", "membrane"}, "two parts at once are no part"
    assert [cell.part for cell in dataset.further] == ["membrane-leak", "bn-leak"]
