"""The benchmark of growth measures every point once, fits lines, draws and writes them."""

import argparse
import json
from pathlib import Path

import pytest
import torch

from benchmarks import growth
from benchmarks.growth import Point, line, main, row


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds 0.1 + 0.02 of the work, bytes a MiB for each step and sample."""
    monkeypatch.setattr(growth, "keep_memory", lambda: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(growth, "step_of", lambda case, form: case)
    monkeypatch.setattr(
        growth,
        "measure",
        lambda steps, rounds: {
            form: [0.1 + 0.02 * case.network.time_steps * case.batch * case.network.width / 32] * rounds
            for form, case in steps.items()
        },
    )
    monkeypatch.setattr(
        growth, "peak_bytes", lambda case, form, threads, processes: case.network.time_steps * case.batch << 20
    )


def test_result_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, plot = tmp_path / "growth.json", tmp_path / "docs" / "growth.svg"
    main(["--rounds=1", f"--output={output}", f"--plot={plot}"])
    result = json.loads(output.read_text())
    assert [row["time_steps"] for row in result["series"]["time_steps"]] == [4, 10, 25, 50, 100]
    assert [row["batch"] for row in result["series"]["batch"]] == [1, 2, 4, 8, 16]
    assert [row["width"] for row in result["series"]["width"]] == [8, 16, 32, 64]
    seconds = result["lines"]["batch"]["seconds"]
    assert (seconds["start"], seconds["slope"]) == pytest.approx((0.1, 0.2))
    assert seconds["largest_deviation"] == pytest.approx(0, abs=1e-9)
    svg = plot.read_text()
    assert svg.startswith("<svg")
    assert "white" in svg
    assert all(title in svg for title in (*growth.TITLES.values(), "seconds a step", "step-by-step"))
    printed = capsys.readouterr().out
    assert printed.count("Point(time_steps=10, batch=2, width=32)") == 1
    assert "batch: largest deviation from a line: seconds 0 %, bytes 0 %" in printed


def test_what_takes_too_long_step_by_step_is_left_out() -> None:
    settings = argparse.Namespace(rounds=1, threads=1)
    assert set(row(Point(time_steps=25), settings)["seconds"]) == set(growth.FORMS)
    large = row(Point(time_steps=50), settings)
    assert set(large["seconds"]) == {"through-time", "convolutions"}
    assert set(large["bytes"]) == {"through-time"}


def test_a_cliff_is_seen() -> None:
    rows = [{"batch": x, "seconds": {"through-time": float(x)}} for x in (1, 2, 4, 8)]
    rows.append({"batch": 16, "seconds": {"through-time": 40.0}})
    assert line(rows, "batch", "seconds")["largest_deviation"] > 0.3
