"""A training in the stage's own process, with threads, without Ray."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.evaluate.evaluate import See, Task, evaluate, evaluate_in_process, evaluate_on
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT
from pipeline.protocol.reduce import Alone
from pipeline.train import loop
from pipeline.train.checkpoints import newest_state
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.jobs import train_on
from pipeline.train.loop import train
from pipeline.train.training import Training
from tests.train.tiny import ONE, TRAINING, tiny_job

CPU = torch.device("cpu")
AUTO = ONE.model_copy(update={"workers": "auto"})


@pytest.fixture(autouse=True)
def settings_of_torch() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def test_it_leaves_what_a_training_on_ray_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = tiny_job(tmp_path, TRAINING)
    note, peak = train_on(ONE)(job)
    assert note == "trained in one process by 1 worker(s), a thread each"
    assert peak > 50e6
    assert finished(job) is not None
    assert "epoch 2/2  step 3/3" in capsys.readouterr().out
    assert "epoch 2/2  step 3/3" in job.log().read_text(encoding="utf-8")
    assert json.loads(job.log().with_name("metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])["epoch"] == 2
    assert len(job.platforms().read_text(encoding="utf-8").splitlines()) == 1


def test_with_storage_elsewhere_the_state_goes_there(tmp_path: Path) -> None:
    job, storage = tiny_job(tmp_path, TRAINING), tmp_path / "bucket"
    train_on(ONE.model_copy(update={"storage": storage.as_uri()}))(job)
    assert finished(job) is not None
    assert len(list(storage.glob(f"{job.name}-{job.identity}/state/*"))) >= 1


def test_it_needs_no_ray() -> None:
    """For a machine on which Ray is not installed."""
    hidden = "import sys; sys.modules['ray'] = None; import stages.train, stages.evaluate"
    assert subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, check=False).returncode == 0


def test_a_gpu_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match=r"cluster\.gpus_per_worker 1: torch finds no GPU on this machine"):
        train_on(ONE.model_copy(update={"gpus_per_worker": 1}))(tiny_job(tmp_path, TRAINING))


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training, the score of the test set after each epoch, and evaluation."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(threads)))
    job = tiny_job(tmp_path, replace(TRAINING, micro_batches=3, batch_size=4, test_each_epoch=True))
    note, _ = train_on(AUTO)(job)
    assert note == f"trained in one process by {threads} worker(s), a thread each"
    alone = tiny_job(tmp_path / "alone", job.training)
    alone.log().parent.mkdir(parents=True)
    train(alone, Alone(), CPU, lambda message: None)
    (one, other) = (newest_state(each.checkpoint()) for each in (job, alone))
    assert one is not None
    assert other is not None
    assert one.history == other.history
    assert all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())
    seen = [evaluated(job, ways) for ways in (evaluate_on(AUTO), evaluate_in_process(CPU))]
    assert np.array_equal(seen[0], seen[1])


def evaluated(job: Job, see: See) -> "np.ndarray[Any, Any]":
    export(job, "tiny", "tiny", job.runs / "exported")
    task = Task(model=job.runs / "exported" / "model.safetensors", data=job.data, training=job.training, seed=0)
    return evaluate(task, see, "tiny").voltage


def test_an_error_of_one_thread_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user sees that error, not the others' broken barrier."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    real = loop.step

    def fails(training: Training, batch: "np.ndarray[Any, Any]", halt: Callable[[], bool]) -> bool:
        if training.workers.rank == 1 and training.state.step == 1:
            raise InputError("only here")
        return real(training, batch, halt)

    monkeypatch.setattr(loop, "step", fails)
    job = tiny_job(tmp_path, TRAINING)
    with pytest.raises(InputError, match="only here"):
        train_on(AUTO)(job)
    assert not job.traceback().exists()


def test_the_traceback_of_a_mistake_is_kept_beside_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(training: Training, batch: "np.ndarray[Any, Any]", halt: Callable[[], bool]) -> bool:
        raise ValueError("no variance")

    monkeypatch.setattr(loop, "step", fails)
    job = tiny_job(tmp_path, TRAINING)
    with pytest.raises(ValueError, match="no variance"):
        train_on(ONE)(job)
    kept = job.traceback().read_text(encoding="utf-8")
    assert kept.startswith("Traceback")
    assert "ValueError: no variance" in kept
