"""The benchmark of many recordings: all files differ, its rate excludes start-up, its memory is the peak."""

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import events_scale
from benchmarks.events_scale import make_recordings, peak, rate
from pipeline.preprocess.recordings import read_recording
from tests.benchmarks.test_events import drawn


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(events_scale, "simulated", lambda number: [drawn(300 + i) for i in range(number)])
    make_recordings(None, tmp_path / "raw", 20, 200)
    return tmp_path / "raw"


def test_every_recording_is_another_of_the_same_length(raw: Path) -> None:
    paths = sorted(raw.rglob("*.aedat"))
    assert len(paths) == 20
    assert {len(read_recording(path)) for path in paths} == {200}
    assert len({path.read_bytes() for path in paths}) == 20


def test_a_run_of_the_stage_says_what_it_took(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def send(self, answer: dict[str, Any]) -> None:
            self.got = answer

    answer = Answer()
    events_scale.stage(raw, tmp_path / "out", 1, answer)  # type: ignore[arg-type]
    assert set(answer.got) == {
        "stage_seconds",
        "recordings_a_second",
        "worker_bytes",
        "driver_bytes",
        "bytes_written",
    }
    assert answer.got["bytes_written"] > 20 * 50 * 2 * 64 * 64
    assert "20 recordings, 1 worker(s): " in events_scale.line({"recordings": 20, "workers": 1} | answer.got)


def test_the_rate_begins_when_every_worker_has_finished_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_scale, "rows", lambda path: int(path.name))
    paths = []
    for name, time in (("5", 100), ("7", 103), ("20", 105), ("40", 113)):
        paths.append(tmp_path / name)
        paths[-1].touch()
        os.utime(paths[-1], (time, time))
    assert rate(paths, 2) == pytest.approx(60 / 10)
    assert rate(paths, 1) == pytest.approx(67 / 13)


def test_peak_is_of_a_process_that_lives() -> None:
    assert 1 << 20 < peak(os.getpid()) < 1 << 40
    assert peak(2**30) == 0
