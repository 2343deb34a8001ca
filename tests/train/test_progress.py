"""The progress line, by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.train import progress
from pipeline.train.journal import Journal, followed_log
from pipeline.train.progress import Progress, ProgressReport, duration, on_terminal
from pipeline.train.state import State
from tests.train.tiny import TRAINING


def test_the_line_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step, which may compile, does not count: 10 samples in 6 s. 3 epochs of 4 steps of 10 samples: 2 of 12
    steps done, 100 samples left, 60 s."""
    clock = iter([0.0, 1.0, 7.0, 7.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    said: list[str | ProgressReport] = []
    watch = Progress(replace(TRAINING, epochs=3, batch_size=10), 4, said.append)
    assert not watch.due(1, 10)  # a line every five seconds, not for each step
    assert watch.due(2, 10)
    watch.report(State(epoch=0, step=2, loss_sum=30.0, correct=15, seen=20))
    (report,) = said
    assert str(report) == "epoch 1/3  step 2/4  2 samples/s  loss 1.5000  accuracy 75.00 %  left 1:00"
    assert isinstance(report, ProgressReport)
    assert (report.samples_per_second, report.step_seconds) == (10 / 6, 6.0)


def test_a_report_is_a_line_of_numbers_in_a_file(tmp_path: Path) -> None:
    report = {
        "epoch": 1,
        "epochs": 2,
        "step": 3,
        "steps": 4,
        "samples_per_second": 40.0,
        "step_seconds": 0.25,
        "loss": 1.5,
        "accuracy": 75.0,
        "seconds_left": 1.25,
    }
    Journal(tmp_path / "log.txt").add(ProgressReport(**report))  # type: ignore[arg-type]
    (line,) = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    written = json.loads(line)
    assert written.pop("time").endswith("+00:00")
    assert written == report


def test_a_terminal_keeps_a_line_an_epoch_and_has_room_for_it() -> None:
    report = ProgressReport(
        epoch=99,
        epochs=100,
        step=1562,
        steps=1562,
        samples_per_second=12345.0,
        step_seconds=1.0,
        loss=2.3026,
        accuracy=10.0,
        seconds_left=36123.0,
    )
    line = "epoch 99/100  1562/1562  12,345/s  loss 2.3026  accuracy 10.00 %  left 10:02:03"
    assert on_terminal(f"12:00:00  {report}") == (line, False)
    assert len(line) <= 80
    assert on_terminal(str(replace(report, step=2))) == (line.replace("1562/", "2/"), True)
    assert on_terminal("12:00:00  WARNING: epoch 3 is outside") == ("12:00:00  WARNING: epoch 3 is outside", False)


def test_what_is_added_to_a_log_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "run" / "log.txt"
    with followed_log(log):
        Journal(log).add("begins")
    with followed_log(log), log.open("a", encoding="utf-8") as file:
        file.write("a line in ")
        file.flush()
        file.write("two parts\n")
    assert [line.partition("  ")[2] or line for line in capsys.readouterr().out.splitlines()] == [
        "begins",
        "a line in two parts",
    ]


def test_durations() -> None:
    assert duration(5) == "0:05"
    assert duration(65.4) == "1:05"
    assert duration(3723) == "1:02:03"
