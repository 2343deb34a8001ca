"""An epoch proves that it used each sample once; a sample lost or doubled on the way stops the training."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.train import loop, step
from pipeline.train.checkpoints import load, write
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.reduce import Alone
from pipeline.train.sampler import epoch_batches, logical_shards
from pipeline.train.training import Training, weights_of
from pipeline.train.used import Peaks, epoch_root, grow, leaf, lost_or_doubled, packed, root_of, unpacked
from tests.train.test_loop import restore_torch, train_alone, train_on
from tests.train.threads import Threads
from tests.train.tiny import TRAINING, tiny_job

__all__ = ["restore_torch"]
CPU = torch.device("cpu")


def test_the_tree_is_that_of_rfc_6962() -> None:
    """Three leaves by hand; for any number the definition: split at the greatest power of two below it."""
    a, b, c = (hashlib.sha256(b"\0" + name).digest() for name in (b"a", b"b", b"c"))
    left = hashlib.sha256(b"\1" + a + b).digest()
    assert root([leaf(name) for name in "abc"]) == hashlib.sha256(b"\1" + left + c).hexdigest()
    for count in range(1, 40):
        leaves = [leaf(str(index)) for index in range(count)]
        assert root(leaves) == defined(leaves).hex(), count


def root(leaves: list[bytes]) -> str:
    peaks: Peaks = []
    for start in range(0, len(leaves), 3):
        grow(peaks, leaves[start : start + 3])
    return root_of(peaks)


def defined(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + defined(leaves[:split]) + defined(leaves[split:])).digest()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_leaves_travel_as_numbers(count: int) -> None:
    leaves = [leaf(str(index)) for index in range(count)]
    assert unpacked(packed(leaves, 3)) == leaves
    assert [len(one) for one in unpacked(packed([*leaves, *leaves], 3))] == [32] * min(3, 2 * count) + [0] * max(
        0, 2 * count - 3
    )


def test_what_a_sampler_may_not_do() -> None:
    samples = np.array([2, 3, 5, 7, 11])
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5]), np.array([11])], samples, 0) == []
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5])], samples, 1) == []
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5])], samples, 0) == [11]
    assert lost_or_doubled([np.array([2, 3]), np.array([3, 5]), np.array([11])], samples, 1) == [3]
    assert lost_or_doubled([np.array([2, 3]), np.array([7, 5]), np.array([11, 4])], samples, 0) == [4]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_roots_follow_from_ids_seed_and_epoch(tmp_path: Path, workers: int) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, shards=3, batch_size=9))
    state, store = train_on(workers, job), job.train_store()
    leaves = [leaf(name) for name in store.ids]
    expected = [
        epoch_root(leaves, epoch_batches(np.arange(30), job.training, job.seed, epoch))
        for epoch in range(job.training.epochs)
    ]
    assert state.roots == expected
    assert len(set(expected)) == job.training.epochs


def break_shards(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """From now on what cuts a batch into shards loses or doubles a sample of the second shard, or takes another."""

    def broken(batch: np.ndarray, shards: int) -> list[np.ndarray]:
        first, second = logical_shards(batch, shards)
        others = {"lost": second[1:], "doubled": np.append(second, second[-1]), "taken twice": second.copy()}
        if change == "taken twice":
            others[change][0] = first[0]
        return [first, others[change]]

    monkeypatch.setattr(step, "logical_shards", broken)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("lost", r"9 samples used, 10 expected; not used: \d+; "),
        ("doubled", r"11 samples used, 10 expected; used too often: "),
        ("taken twice", r"10 samples used, 10 expected; not used: \d+; used too often: \d+; "),
    ],
)
def test_a_lost_or_doubled_sample_stops_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, text: str
) -> None:
    break_shards(monkeypatch, change)
    job = tiny_job(tmp_path, TRAINING)
    with pytest.raises(InputError, match=r"^tiny-0: epoch 1, step 1: " + text):
        train(job, Alone(), CPU, lambda text: None)
    assert load(job.checkpoint()) is None


def test_all_workers_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    break_shards(monkeypatch, "lost")
    job, group, errors = tiny_job(tmp_path, TRAINING), Threads(2), list[str]()

    def work(rank: int) -> None:
        try:
            train(job, group.worker(rank), CPU, lambda text: None)
        except InputError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 2
    assert errors[0] == errors[1]


@pytest.mark.parametrize("step_by", [-1, 1])
def test_a_step_that_is_lost_or_done_twice_stops_the_training(tmp_path: Path, step_by: int) -> None:
    """A checkpoint whose position is one off: the epoch's root tells."""
    job = interrupted(tiny_job(tmp_path, TRAINING))
    state = load(job.checkpoint())
    assert state is not None
    state.step += step_by
    write(state, job.checkpoint(), 99)
    with pytest.raises(InputError, match=r"epoch 1 did not use each sample once: a step was lost or done twice"):
        train(job, Alone(), CPU, lambda text: None)
    assert finished(job) is None


def interrupted(job: Job) -> Job:
    """Stopped in the first epoch, after a step of three."""
    done: list[int] = []

    def once(training: Training, batch: np.ndarray) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        step.step(training, batch)

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


def test_the_proof_changes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tiny_job(tmp_path, TRAINING)
    proven = train_alone(job)
    monkeypatch.setattr(step, "proof", lambda training, part: torch.zeros(0))
    monkeypatch.setattr(step, "check_used", lambda training, batch, proofs: None)
    monkeypatch.setattr(loop, "check_epoch", lambda training, batches: None)
    without = train_alone(replace(job, runs=tmp_path / "others"))
    assert without.weights.keys() == weights_of(job.build()).keys()
    for name, value in without.weights.items():
        assert torch.equal(value, proven.weights[name])
