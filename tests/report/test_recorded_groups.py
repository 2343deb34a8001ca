"""Results of other profiles: the seeds of an experiment in one row."""

from dataclasses import replace

import pytest

from pipeline.report.recorded_groups import recorded_groups
from tests.judge.claimed import run


def test_seeds_of_an_experiment_are_one_row() -> None:
    runs = [run(900, 1, "b"), run(890, 0, "b"), run(910, 0, "a")]
    runs = [replace(one, test=one.test | {"top1_percent": one.test["correct"] / 10}) for one in runs]
    one, two = recorded_groups(runs, checked=True)
    assert ([record.seed for record in one.records], [record.seed for record in two.records]) == ([0], [0, 1])
    assert (one.mean, one.interval) == (91.0, None), "one seed does not show how far seeds differ"
    assert two.mean == pytest.approx(89.5)
    assert two.interval is not None
    assert two.interval[0] < 89.5 < two.interval[1]


def test_other_test_samples_are_another_row() -> None:
    runs = [run(900, 0, "a"), run(900, 1, "a", digests={"test_rows": "others"})]
    assert len(recorded_groups(runs, checked=False)) == 2
