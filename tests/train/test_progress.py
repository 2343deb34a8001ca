"""The progress line can be redone by hand."""

from dataclasses import replace

import pytest

from pipeline.train import progress
from pipeline.train.progress import Progress, ProgressReport, duration
from pipeline.train.state import State
from tests.train.tiny import TRAINING


def test_the_line_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 samples in 7 s; 3 epochs of 4 steps of 10 samples: 2 of 12 steps done, 100 samples left, 35 s."""
    clock = iter([0.0, 1.0, 7.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    said: list[str | ProgressReport] = []
    watch = Progress(replace(TRAINING, epochs=3, batch_size=10), 4, said.append)
    watch.step(State(epoch=0, step=1, loss_sum=20.0, correct=5, seen=10), 10)
    assert said == []  # a line every five seconds, not for each step
    watch.step(State(epoch=0, step=2, loss_sum=30.0, correct=15, seen=20), 10)
    (report,) = said
    assert str(report) == "epoch 1/3  step 2/4  3 samples/s  loss 1.5000  accuracy 75.00 %  left 0:35"
    assert isinstance(report, ProgressReport)
    assert (report.samples_per_second, report.step_seconds) == (20 / 7, 3.5)


def test_durations() -> None:
    assert duration(5) == "0:05"
    assert duration(65.4) == "1:05"
    assert duration(3723) == "1:02:03"
