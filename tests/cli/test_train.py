"""`sresnet train --for`: a training in pieces ends with the bits of one without a stop."""

import os
import shutil
import time
from pathlib import Path

import psutil
import pytest
import torch

from pipeline.cli import train as command
from pipeline.cli.command_line import main
from pipeline.cli.train import Clock, Position, seconds_of, train_until
from pipeline.ground import lifetime
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import stage_lock
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.jobs import train_on
from tests.train.tiny import ONE, TRAINING, tiny_job


def weights(job: Job) -> dict[str, torch.Tensor]:
    state = finished(job)
    assert state is not None
    return state.weights


@pytest.mark.parametrize("workers", [1, "auto"])
def test_pieces_of_a_step_each_give_the_same_bits(
    tmp_path: Path, workers: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece goes on in another folder, as on another machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    whole, cluster = tiny_job(tmp_path / "whole", TRAINING), ONE.model_copy(update={"workers": workers})
    train_on(ONE)(whole)
    said, seen = "", []
    for place in range(20):
        job = whole.moved(whole.data, tmp_path / str(place) / "runs")
        if place:
            shutil.copytree(tmp_path / str(place - 1) / "runs", job.runs)
        said = train_until(job, cluster, 0.0)
        seen.append(Position.of(job).left)
        if finished(job):
            break
        assert f"its state: {job.checkpoint().parent}\n" in said
        assert said.endswith(f"and torch {torch.__version__}"), "another version makes another identity"
        assert f"epoch {1 + (place > 2)}/2; left: {seen[-1]} steps\n" in said
    assert seen == [5, 4, 3, 2, 1, 0, 0]  # the last one only ends the epoch
    assert said == "tiny-0: trained; `dvc repro` goes on with it"
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(job).items())


def test_with_enough_time_it_is_trained(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, TRAINING)
    assert train_until(job, ONE, time.monotonic() + 3600.0) == "tiny-0: trained; `dvc repro` goes on with it"
    assert Position.of(job).left == 0


def test_what_is_left_is_counted_without_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps end at 100, 102 and 106 s: the second and third took 3 s in the mean, and 30 are left."""
    clock = Clock(ends=105.0)
    over = []
    for now in (100.0, 102.0, 106.0):
        monkeypatch.setattr(command.time, "monotonic", lambda now=now: now)
        over.append(clock())
    assert over == [False, False, True]
    assert clock.left(30) == "30 steps, 1:30"


def test_the_time_counts_from_the_start_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[float] = []
    monkeypatch.setattr(command, "_train_for", lambda name, end: ends.append(end))
    age = time.time() - psutil.Process().create_time()
    command.train_for("tiny-0", 60.0)
    assert ends[0] == pytest.approx(time.monotonic() + 60.0 - age, abs=5.0)


def test_a_run_that_is_being_trained_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "PATIENCE_SECONDS", 0.0)
    with (
        stage_lock("train@tiny-0"),
        pytest.raises(InputError, match=r"^tiny-0: is already running as process \d+; wait for it"),
    ):
        command.train_for("tiny-0", 60.0)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "0m", "-1m", "m", "10 m", "1e3s", "10d", "\u0661m"])
def test_wrong_durations_are_named(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "digits-0", "--for", text])
    assert ended.value.code == 2
    assert "expected a number above 0 with s, m or h" in capsys.readouterr().err


def test_workers_on_ray_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = ONE.model_copy(update={"workers": 2})
    monkeypatch.setattr(command, "checked_job", lambda name: (tiny_job(tmp_path, TRAINING), None, two))
    with pytest.raises(InputError, match=r"^tiny-0: .*cluster\.workers auto or 1"):
        command.train_for("tiny-0", 60.0)
