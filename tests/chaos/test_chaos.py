"""The schedule of `make chaos`, without its kills. tests/train/test_cluster.py kills a worker and a driver."""

from collections import Counter

from tests.chaos.chaos import KINDS, schedule


def test_the_schedule_follows_from_its_seed() -> None:
    assert schedule(20, 0, 1000) == schedule(20, 0, 1000)
    assert schedule(20, 0, 1000) != schedule(20, 1, 1000)
    assert Counter(plan.kind for plan in schedule(20, 0, 1000)) == dict.fromkeys(KINDS, 5)
