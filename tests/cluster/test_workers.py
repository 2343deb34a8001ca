"""One process does what takes it no longer than workers on Ray would, their start included."""

from collections.abc import Iterator

import pytest

from pipeline.cluster import workers
from pipeline.cluster.workers import begins_here, here_at_first, more_pay, workers_here
from pipeline.ground.params import ClusterParams
from tests.train.tiny import ONE

AUTO = ONE.model_copy(update={"workers": "auto"})
TWO = ONE.model_copy(update={"workers": 2})
FAR = AUTO.model_copy(update={"address": "10.0.0.1:6379", "storage": "/mnt/runs"})
GPU = ONE.model_copy(update={"gpus_per_worker": 1})


@pytest.mark.parametrize(("cluster", "here"), [(ONE, True), (AUTO, True), (TWO, False), (FAR, False), (GPU, True)])
def test_who_begins(cluster: ClusterParams, here: bool) -> None:
    assert begins_here(cluster) == here


def test_in_a_sweep_its_share_counts_and_ray_chooses_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRESNET_WORKERS", "1")
    assert begins_here(TWO)
    assert workers_here(AUTO, 8, 1) == 1
    monkeypatch.setenv("SRESNET_RAY", "127.0.0.1:1")
    assert begins_here(ONE)
    assert not begins_here(GPU)


def test_as_many_as_have_cpus_or_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: set(range(6)))
    assert [workers_here(AUTO, most, 2) for most in (1, 3, 8)] == [1, 3, 3]
    assert workers_here(AUTO, 8, 7) == 1
    assert workers_here(ONE, 8, 2) == 1


def test_more_workers_pay_when_they_save_more_than_their_start() -> None:
    """Two save half of the rest, four three quarters; Ray's start takes 30 s."""
    assert [more_pay(seconds, 2) for seconds in (60, 61)] == [False, True]
    assert [more_pay(seconds, 4) for seconds in (40, 41)] == [False, True]
    assert not more_pay(1e9, 1)


@pytest.mark.parametrize(("seconds", "here"), [(0.0, [0, 1, 2, 3]), (100.0, [0, 1])])
def test_the_rest_goes_to_ray_when_it_takes_long(
    seconds: float, here: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first item, which may compile, decides nothing."""
    now = 0.0

    def work(item: int) -> tuple[str, int]:
        nonlocal now
        now += seconds
        return "here", item

    def elsewhere(items: list[int]) -> Iterator[tuple[str, int]]:
        yield from (("on Ray", item) for item in items)

    monkeypatch.setattr(workers.time, "monotonic", lambda: now)
    made = list(here_at_first([0, 1, 2, 3], work, elsewhere, 2))
    assert made == [("here" if item in here else "on Ray", item) for item in range(4)]
