"""An epoch proves that it used each sample once, and that all workers have the same weights."""

import hashlib
import platform
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.ground.errors import InputError
from pipeline.protocol.reduce import Alone, Workers, in_threads
from pipeline.protocol.sampler import epoch_batches, micro_batches_of
from pipeline.train import loop, step
from pipeline.train.checkpoints import newest_state, write_state
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.step import apply_sum
from pipeline.train.training import Training, check_same_data
from pipeline.train.used import epoch_digest, extend, lost_or_doubled
from tests.train.test_loop import restore_torch, train_on
from tests.train.tiny import TRAINING, tiny_job

__all__ = ["restore_torch"]
CPU = torch.device("cpu")


def test_the_chain_by_hand() -> None:
    first = hashlib.sha256(b"\0a").hexdigest()
    second = hashlib.sha256(first.encode() + b"\0b").hexdigest()
    assert extend("", ["a", "b"]) == extend(first, ["b"]) == second
    assert epoch_digest(["b", "a"], [np.array([1]), np.array([0])]) == second
    assert epoch_digest(["b", "a"], [np.array([0]), np.array([1])]) != second


def test_what_a_sampler_may_not_do() -> None:
    samples = np.array([2, 3, 5, 7, 11])
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5]), np.array([11])], samples, 0) == []
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5])], samples, 1) == []
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5])], samples, 0) == [11]
    assert lost_or_doubled([np.array([2, 3]), np.array([3, 5]), np.array([11])], samples, 1) == [3]
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5]), np.array([11, 4])], samples, 0) == [4]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_digests_follow_from_ids_seed_and_epoch(tmp_path: Path, workers: int) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, micro_batches=3, batch_size=9))
    state, store = train_on(workers, job), job.train_store()
    expected = [
        epoch_digest(store.ids, epoch_batches(np.arange(30), job.training, job.seed, epoch))
        for epoch in range(job.training.epochs)
    ]
    assert state.samples == expected
    assert len(set(expected)) == job.training.epochs


def break_shards(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """From now on what cuts a batch into shards loses or doubles a sample of the second shard, or takes another."""

    def broken(batch: np.ndarray, shards: int) -> list[np.ndarray]:
        first, second = micro_batches_of(batch, shards)
        others = {"lost": second[1:], "doubled": np.append(second, second[-1]), "taken twice": second.copy()}
        if change == "taken twice":
            others[change][0] = first[0]
        return [first, others[change]]

    monkeypatch.setattr(step, "micro_batches_of", broken)


@pytest.mark.parametrize("change", ["lost", "doubled", "taken twice"])
def test_a_lost_or_doubled_sample_stops_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    break_shards(monkeypatch, change)
    job = tiny_job(tmp_path, TRAINING)
    with pytest.raises(AssertionError, match="the micro-batches lose or double a sample"):
        train(job, Alone(), CPU, lambda text: None)
    assert newest_state(job.checkpoint()) is None


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> threading.local:
    """The machine of each worker, which is a thread here; `name` is to be set in each."""
    here = threading.local()
    monkeypatch.setattr(platform, "node", lambda: here.name)
    return here


def test_all_workers_stop_if_their_data_differ(tmp_path: Path, host: threading.local) -> None:
    job, errors = tiny_job(tmp_path, TRAINING), list[str]()
    stores = [job.train_store(), job.train_store()]
    stores[1].digest = "ab" * 32

    def work(worker: Workers) -> None:
        host.name = f"host-{worker.rank}"
        try:
            check_same_data(job, worker, CPU, stores[worker.rank])
        except InputError as error:
            errors.append(str(error))

    in_threads(2, work)
    assert len(errors) == 2
    assert all("workers 0 (on host-0) and 1 (on host-1) have different training rows" in error for error in errors)


def test_all_workers_stop_if_their_weights_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: threading.local
) -> None:
    """One number of the second worker's weights changes in its last bit, as a faulty memory does it."""
    job, errors = tiny_job(tmp_path, TRAINING), list[str]()

    def update(training: Training, total: Tensor) -> None:
        apply_sum(training, total)
        if training.workers.rank == 1 and training.state.steps == 0:
            training.parameters[-1].data.view(torch.int32)[0] ^= 1

    def work(worker: Workers) -> None:
        host.name = f"host-{worker.rank}"
        try:
            train(job, worker, CPU, lambda text: None)
        except InputError as error:
            errors.append(str(error))

    monkeypatch.setattr(step, "apply_sum", update)
    in_threads(2, work)
    assert len(errors) == 2
    words = "after epoch 1, workers 0 (on host-0) and 1 (on host-1) have different weights"
    assert all(words in error for error in errors)
    state = newest_state(job.checkpoint())
    assert state is None or not state.history


@pytest.mark.parametrize("step_by", [-1, 1])
def test_a_step_that_is_lost_or_done_twice_stops_the_training(tmp_path: Path, step_by: int) -> None:
    """A checkpoint whose position is one off: the epoch's digest tells."""
    job = interrupted(tiny_job(tmp_path, TRAINING))
    state = newest_state(job.checkpoint())
    assert state is not None
    state.step += step_by
    write_state(state, job.checkpoint(), 99)
    with pytest.raises(InputError, match=r"epoch 1 did not use each sample once: a step was lost or done twice"):
        train(job, Alone(), CPU, lambda text: None)
    assert finished(job) is None


def interrupted(job: Job) -> Job:
    """Stopped in the first epoch, after a step of three."""
    done: list[int] = []

    def once(training: Training, batch: np.ndarray, halt: Callable[[], bool]) -> bool:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return step.step(training, batch, halt)

    job = replace(job, checkpoint_seconds=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "step", once)
        with pytest.raises(KeyboardInterrupt):
            train(job, Alone(), CPU, lambda text: None)
    return job


def test_a_sampler_that_loses_a_sample_stops_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "epoch_batches", lambda *about: epoch_batches(*about)[:-1])
    job = tiny_job(tmp_path, TRAINING)
    with pytest.raises(InputError, match=r"epoch 1 did not use each sample once: the sampler lost or doubled \d+"):
        train(job, Alone(), CPU, lambda text: None)
