"""TensorBoard shows one curve per training, also for a training that was stopped and resumed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from pipeline.train import scalars
from pipeline.train.jobs import train_on
from pipeline.train.journal import Journal
from pipeline.train.progress import GAUGES, ProgressReport
from tests.train.tiny import ONE, TRAINING, tiny_job

REPORT = ProgressReport(
    epoch=1,
    epochs=2,
    step=3,
    steps=4,
    samples_per_second=40.0,
    step_seconds=0.25,
    loss=1.5,
    accuracy=75.0,
    seconds_left=9.0,
)


def curve(folder: Path, name: str = "loss") -> list[tuple[int, float]]:
    read = EventAccumulator(str(folder)).Reload()
    assert {*read.Tags()["scalars"]} == {*GAUGES}
    return [(one.step, one.value) for one in read.Scalars(name)]


def test_a_training_leaves_its_curve_beside_its_log(tmp_path: Path) -> None:
    """Two epochs of three steps: the last step of each is said."""
    train_on(ONE)(job := tiny_job(tmp_path, TRAINING))
    assert [step for step, _ in curve(job.log().parent)][-1] == 6
    assert len(list(job.log().parent.glob("events.out.tfevents.*"))) == 1


def test_a_training_that_goes_on_stays_in_its_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process goes back to step 3: what the first one wrote from there on does not count twice."""
    for second, steps, loss in ((1, (1, 3, 4), 1.5), (2, (3, 4, 5), 0.5)):
        # The second is in the file's name. Within one second, a count of the process's files would decide, as text.
        monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda now=second: float(now)))
        journal = Journal(tmp_path / "log.txt")
        for step in steps:
            journal.add(replace(REPORT, epoch=1, step=step, steps=9, loss=loss))
    assert curve(tmp_path) == [(1, 1.5), (3, 0.5), (4, 0.5), (5, 0.5)]


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalars, "find_spec", lambda name: None)
    scalars.summary_writer.cache_clear()
    Journal(tmp_path / "log.txt").add(REPORT)
    scalars.summary_writer.cache_clear()
    assert {path.name for path in tmp_path.iterdir()} == {"log.txt", "metrics.jsonl"}
