"""A single machine needs no Ray, unless several processes or GPUs share the work."""

import os

import pytest

from pipeline.cluster.workers import in_this_process, workers_here
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from tests.train.tiny import ONE

AUTO = ONE.model_copy(update={"workers": "auto"})
TWO = ONE.model_copy(update={"workers": 2})
FAR = AUTO.model_copy(update={"address": "10.0.0.1:6379", "storage": "/mnt/runs"})
ON_GPU = {"gpus_per_worker": 1}


@pytest.mark.parametrize(("cluster", "here"), [(ONE, True), (AUTO, True), (TWO, False), (FAR, False)])
def test_on_cpus(cluster: ClusterParams, here: bool) -> None:
    assert in_this_process(cluster) == here


@pytest.mark.parametrize(
    ("cluster", "gpus", "here"), [(ONE, 1, True), (ONE, 8, True), (AUTO, 1, True), (AUTO, 8, False), (TWO, 8, False)]
)
def test_on_gpus(cluster: ClusterParams, gpus: int, here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sweep, Ray chooses."""
    assert in_this_process(cluster.model_copy(update=ON_GPU), gpus) == here
    monkeypatch.setenv("SRESNET_RAY", "127.0.0.1:1")
    assert not in_this_process(cluster.model_copy(update=ON_GPU), gpus)
    assert in_this_process(AUTO)


def test_as_many_as_have_cpus_or_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    assert [workers_here(AUTO, most, 2) for most in (1, 3, 8)] == [1, 3, 3]
    assert workers_here(FAR, 8, 7) == 1
    assert workers_here(ONE, 8, 2) == 1
    assert workers_here(AUTO.model_copy(update=ON_GPU), 8, 1) == 1
    for cluster, cpus in ((AUTO, 7), (ONE.model_copy(update={"workers": 4}), 2)):
        with pytest.raises(InputError, match="this machine has 6"):
            workers_here(cluster, 8, cpus)
    monkeypatch.setenv("SRESNET_WORKERS", "2")
    assert [workers_here(AUTO, most, 1) for most in (1, 8)] == [1, 2]
