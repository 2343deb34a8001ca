"""Trends: by hand, their coverage by simulation, and the ladders that records make."""

from collections.abc import Callable
from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from scipy.special import expit

from pipeline.audit.ladder import SETTINGS, ladders
from pipeline.audit.record import Record
from pipeline.audit.trend import Point, extrapolate
from pipeline.errors import InputError
from tests.audit.made import RECORD

Truth = Callable[[float], float]
"""Logit of the error by the setting."""
TRUTHS: dict[str, Truth] = {
    "log x": lambda x: -0.5 - 0.7 * log(x),
    "1/sqrt(x)": lambda x: -3.0 + 2.5 / sqrt(x),
    "1/x": lambda x: -2.5 + 2.0 / x,
    "flat": lambda _: -2.0,
    "power law with a floor": lambda x: log((error := 0.05 + 0.4 * x**-0.8) / (1 - error)),
}
RUNGS = (1, 2, 3, 4, 6, 8)


def points(logits: list[tuple[float, float]], samples: int = 10**7) -> list[Point]:
    """Points so many samples large that their logit is what is given."""
    return [
        Point(x=x, wrong=round(samples * float(expit(y))), samples=samples, run=f"r{index}")
        for index, (x, y) in enumerate(logits)
    ]


def test_points_on_a_line_are_continued() -> None:
    trend = extrapolate(points([(x, -1.0 - log(x)) for x in (1, 2, 4, 8)]), 16)
    assert trend.form == "logit of the error linear in log x"
    expected = 100 * float(expit(1.0 + log(16)))
    assert trend.estimate == pytest.approx(expected, abs=0.01)
    assert trend.low == pytest.approx(expected, abs=0.01)
    assert trend.words().startswith("EXTRAPOLATED to 16: 97.75 % [97.7")


def test_a_regression_that_a_reader_can_redo() -> None:
    """y = 1, 0, -1, -2 and then -0.5, 0.5, 0.5, -0.5 beside it at log2 x = 0, 1, 2, 3: slope -1, mean -0.5, squares 1;
    at 4 the line is at -3, and half the interval is 4.3027 sqrt(1 / 2 (1 + 1/4 + 2.5^2 / 5)) = 4.8105."""
    trend = extrapolate(points([(1, 0.5), (2, 0.5), (4, -0.5), (8, -2.5)]), 16)
    assert trend.form == "logit of the error linear in log x or 1/sqrt(x) or 1/x"
    assert trend.estimate == pytest.approx(100 * float(expit(3)), abs=0.01)
    assert trend.low <= 100 * float(expit(3 - 4.8105)) + 0.01
    assert trend.high == pytest.approx(100 * float(expit(3 + 4.8105)), abs=0.01)


def test_forms_that_the_points_do_not_tell_apart_are_all_kept() -> None:
    noisy = [(1, -0.5), (2, -1.6), (4, -1.4), (8, -2.4)]
    trend = extrapolate(points(noisy), 50)
    assert trend.form == "logit of the error linear in log x or 1/sqrt(x) or 1/x"
    assert trend.high - trend.low > 20


def test_points_on_no_line_are_said_to_be_on_none() -> None:
    bent = [(x, y + d) for x, y in ((1, -1), (2, -2), (4, -1), (8, -2)) for d in (-0.01, 0.01)]
    assert (
        extrapolate(points(bent), 16).words().endswith("the points lie on no such trend, so the interval is too narrow")
    )
    straight = [(x, -1 - log(x) + d) for x in (1, 2, 4, 8) for d in (-0.01, 0.01)]
    assert "no such trend" not in extrapolate(points(straight), 16).words()


@pytest.mark.parametrize(
    ("logits", "at", "message"),
    [
        ([(1, 0), (2, -1), (2, -1.1)], 4, r"3 run\(s\) at 2 setting\(s\)"),
        ([(1, 0), (2, -1), (4, -2)], 8, r"3 run\(s\) at 3 setting\(s\): a trend needs 4 runs at 3"),
        ([(0, 0), (2, -1), (4, -2), (8, -3)], 16, "must be above 0, not 0"),
    ],
)
def test_too_little(logits: list[tuple[float, float]], at: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        extrapolate(points(logits), at)


def coverage(truth: Truth, at: float, *, seeds: int, samples: int, times: int) -> float:
    """How often one more run at `at` falls into the interval of simulated ladders: seeds spread by 0.15 in the logit,
    test samples drawn anew."""
    drawn, inside = np.random.default_rng(2), 0

    def run(x: float) -> Point:
        error = float(expit(truth(x) + drawn.normal(0, 0.15)))
        return Point(x=x, wrong=int(drawn.binomial(samples, error)), samples=samples, run="")

    for _ in range(times):
        trend, tested = extrapolate([run(x) for x in RUNGS for _ in range(seeds)], at), run(at)
        inside += trend.low <= 100 * (1 - tested.wrong / samples) <= trend.high
    return inside / times


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_interval_holds_its_level(truth: str) -> None:
    """Once and six times as far as the rungs reach; 95 % less three deviations of 1,000 simulations. A hull holds more.

    The last truth is none of the forms.
    """
    assert coverage(TRUTHS[truth], 16, seeds=2, samples=1000, times=1000) >= 0.93
    assert coverage(TRUTHS[truth], 50, seeds=1, samples=1000, times=1000) >= 0.93


def run(setting: int, seed: int, correct: int, **changes: object) -> Record:
    return replace(
        RECORD,
        experiment=f"t{setting}",
        seed=seed,
        network=RECORD.network | {"time_steps": setting},
        test=RECORD.test | {"correct": correct},
        **changes,
    )


def test_records_that_differ_in_one_setting_make_a_ladder() -> None:
    runs = [run(t, seed, 700 + 40 * t + seed) for t in (1, 2, 4) for seed in (0, 1)]
    (ladder,) = ladders([*runs, run(8, 0, 990, training=RECORD.training | {"epochs": 3})])
    assert (ladder.setting, ladder.dataset) == ("network.time_steps", "Tiny")
    assert [rung.x for rung in ladder.rungs] == [1, 2, 4]
    assert ladder.rungs[1].accuracies == pytest.approx([78.0, 78.1])
    trend = ladder.predicted()
    assert trend is not None
    assert trend.at == SETTINGS["network.time_steps"] == 50
    assert trend.runs == ["t1-0", "t1-1", "t2-0", "t2-1", "t4-0", "t4-1"]
    assert trend.low < trend.estimate < trend.high


def test_what_was_run_is_not_extrapolated() -> None:
    (ladder,) = ladders([run(t, 0, 700 + 4 * t) for t in (1, 2, 4, 50)])
    assert ladder.predicted() is None


def test_frames_follow_the_time_steps() -> None:
    """Each number of steps has frames, and so shards, of its own."""
    runs = [
        run(
            t, 0, 700, dataset=RECORD.dataset | {"name": f"e{t}", "framing_rule": f"{t} frames", "sample_shape": [t, 2]}
        )
        for t in (1, 2, 4, 8)
    ]
    assert len(ladders(runs)) == 1
    other = [replace(r, dataset=r.dataset | {"test_samples": 10 * i}) for i, r in enumerate(runs)]
    assert ladders(other) == []


def test_too_few_make_no_ladder() -> None:
    assert ladders([run(t, seed, 700) for t in (1, 2) for seed in (0, 1)]) == []
    assert ladders([run(t, 0, 700) for t in (1, 2, 4)]) == []
