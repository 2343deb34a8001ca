"""The benchmarks of events compare methods with equal output, alternate between them, and state what they measured."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import event_forms, event_inputs, event_limits, events, reading
from benchmarks.events import main, measure
from pipeline.data.recording import Recording
from pipeline.download.camera import write_aedat2

SMALL = ["--recordings=1", "--events=3000", "--rounds=2"]


def drawn(events: int = 3000) -> Recording:
    generator = np.random.default_rng(events)
    x, y, p = (generator.integers(0, limit, events) for limit in (128, 128, 2))
    return Recording(t=np.arange(events), x=x, y=y, p=p, width=128, height=128)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random recordings; what is optional is not installed, whatever this machine has."""
    monkeypatch.setattr(event_inputs, "simulated", lambda number: [drawn(3000 + i) for i in range(number)])
    monkeypatch.setattr(event_inputs, "find_spec", lambda _: None)
    monkeypatch.setattr(event_forms, "find_spec", lambda _: None)
    monkeypatch.setattr(event_limits, "COPIED", 1 << 16)
    monkeypatch.setattr(event_limits, "TIMES", 1)
    monkeypatch.setattr(reading, "SAMPLES", 6)
    monkeypatch.setattr(reading, "BATCH", 4)
    monkeypatch.setattr(reading, "network_seconds", lambda: 1.0)


def test_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = os.sched_getaffinity(0)
    main([*SMALL, f"--output={tmp_path / 'bench.json'}"])
    assert os.sched_getaffinity(0) == before
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["inputs"] == "simulated: 1 digits before a simulated DVS128, cut to 3000 events"
    assert set(result["cases"]) == {"aedat2", "nmnist", "framing"}
    assert [case["events"] for case in result["cases"].values()] == [3000, 3000, 3000]
    assert all(set(case["times_faster_than"]) == {"tonic"} for case in result["cases"].values())
    assert set(result["reading"]) == {"none", "zstd"}
    assert result["reading"]["zstd"]["bytes"] < result["reading"]["none"]["bytes"]
    assert result["versions"]["numpy"] == np.__version__
    lines = capsys.readouterr().out
    assert "AEDAT 4                    not measured: dv-processing" in lines
    assert "not installed" in lines


def test_the_forms_take_turns_and_a_ratio_is_of_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([1.0, 10.0, 30.0, 2.0, 1.0, 12.0])
    monkeypatch.setattr(events, "timed", lambda form, over: form(0) and next(taken))
    calls = []

    def form(name: str) -> Any:
        return lambda _: calls.append(name) or np.zeros((50, 2, 4, 4), np.uint8) is not None

    monkeypatch.setattr(events, "check", lambda *_: None)
    case = measure("framing", 3, {"ours": form("A"), "tonic": form("B")}, [0], 4_000_000)
    assert "".join(calls) == "AB" + "BA" + "AB"
    assert case["times_faster_than"]["tonic"] == {"median": 12.0, "low": 10.0, "high": 15.0}
    assert case["million_events_a_second"] == {"ours": 4.0, "tonic": 4 / 12}


@pytest.mark.parametrize("kind", ["aedat2", "nmnist", "framing"])
def test_a_form_that_counts_otherwise_is_not_measured(tmp_path: Path, kind: str) -> None:
    inputs = event_inputs.make_inputs(None, tmp_path, recordings=1, events=3000)
    named, over, _ = events.forms(kind, inputs)
    events.check(kind, named, over)
    real = named["tonic"]

    def wrong(item: Any) -> np.ndarray:
        frames = real(item).copy()
        frames[3, 1, 2, 2] += 1
        return frames

    with pytest.raises(AssertionError, match=f"{kind}: tonic counts otherwise"):
        events.check(kind, named | {"tonic": wrong}, over)


def test_real_recordings_are_cut_and_named(tmp_path: Path) -> None:
    import zipfile

    write_aedat2(drawn(500), tmp_path / "data" / "dvs-objects" / "session1" / "mug.aedat")
    (tmp_path / "data" / "nmnist-small").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "nmnist-small" / "test.zip", "w") as file:
        file.writestr("Test/0/1.bin", bytes([1, 2, 0, 0, 9]))
    inputs = event_inputs.make_inputs(tmp_path / "data", tmp_path / "made", recordings=3, events=200)
    assert inputs.description == "real: 1 recordings of data/dvs-objects cut to 200 events; nmnist-small"
    assert [len(event_inputs.read_recording(path)) for path in inputs.aedat2] == [200]
    assert [path.read_bytes() for path in inputs.nmnist] == [bytes([1, 2, 0, 0, 9])]
