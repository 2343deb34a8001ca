"""A training of one worker: in the stage's own process, without Ray, until more workers would be done earlier."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.cluster import workers
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import ROOT
from pipeline.train import on_ray
from pipeline.train.checkpoints import newest_state
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.jobs import train_on
from tests.train.tiny import ONE, TRAINING, tiny_job

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
    assert note == "trained in the stage's own process"
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


def test_more_workers_go_on_from_the_same_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As soon as the steps say that Ray's start, here of no length, would be saved."""
    monkeypatch.setattr(workers, "START_SECONDS", 0.0)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {0, 1})
    job = tiny_job(tmp_path, replace(TRAINING, epochs=5))
    handed: list[tuple[int, int]] = []

    def on_workers(job: Job, cluster: ClusterParams) -> on_ray.TrainingOutcome:
        state = newest_state(job.checkpoint())
        assert state is not None
        handed.append((state.epoch, state.step))
        return on_ray.TrainingOutcome(peak_memory_bytes=1, code="0" * 64)

    monkeypatch.setattr(on_ray, "fit", on_workers)
    assert train_on(AUTO)(job) == ("trained by code 0000000000000000", 1)
    assert handed == [(0, 3)]
    assert "2 workers on Ray go on from here" in capsys.readouterr().out
