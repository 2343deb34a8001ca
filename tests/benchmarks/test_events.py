"""The benchmarks of events compare methods with equal output, alternate between them, and state what they measured."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import event_forms, event_inputs, event_limits, event_readers, events, reading
from benchmarks.events import main, measure
from pipeline.data.recording import Recording
from pipeline.download.camera import write_aedat2

SMALL = ["--recordings=1", "--events=3000", "--rounds=2"]
NO_LIMITS = {"microseconds": {}, "copied_bytes_a_second": 1.0, "times": 1.0}


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


def test_a_package_that_reads_is_timed_with_framing_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inputs = event_inputs.make_inputs(None, tmp_path, recordings=1, events=3000)
    path = tmp_path / "a.dat"
    recording = event_inputs.read_recording(inputs.aedat2[0])
    address = recording.p << 28 | recording.y << 14 | recording.x
    pairs = np.stack([recording.t, address], axis=1).astype("<u4")
    path.write_bytes(b"% Version 2\n% Width 128\n% Height 128\n" + bytes([12, 8]) + pairs.tobytes())
    read = {"faery": lambda _: {name: getattr(recording, name) for name in "txyp"}}
    monkeypatch.setattr(event_forms, "readers", lambda kind: read if kind == "dat" else {})
    named, over, number = events.forms("dat", replace(inputs, dat=[path]))
    assert (list(named), number) == (["ours", "faery", "reading alone: faery"], 3000)
    cases = {"dat": measure("dat", 2, named, over, number)}
    assert set(cases["dat"]["times_faster_than"]) == {"faery", "reading alone: faery"}
    lines = list(events.table(dict.fromkeys(events.TITLES, cases["dat"]), NO_LIMITS, {}))
    assert any(line.startswith("Prophesee .dat, faery ") for line in lines)
    read["faery"] = lambda _: {name: getattr(recording, name)[::-1] for name in "txyp"}
    with pytest.raises(AssertionError, match="dat: faery counts otherwise"):
        measure("dat", 2, events.forms("dat", replace(inputs, dat=[path]))[0], over, number)


def test_packages_are_only_named_for_formats_that_they_read() -> None:
    kinds = {kind for _, kinds in event_readers._PACKAGES.values() for kind in kinds}
    assert kinds == set(events.WRITERS) < set(event_forms.SUFFIXES)


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
