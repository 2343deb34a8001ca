"""Ratios and targets follow from the rounds, processes train concurrently, and the page states the measurements."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.bucket import growth
from benchmarks.bucket_model import at_ten_million
from benchmarks.scaling import figures, made_job, process, ratio, shown
from benchmarks.scaling_model import NETWORKS, PAGE, Measured, Network, draw, last_workers, measured_of, page, read
from pipeline.ground.errors import InputError
from pipeline.ground.paths import RESULTS

SMALL = {"blocks": 1, "width": 4, "time_steps": 2}
SECONDS = {"micro-batch": 0.4, "reduce": 0.01, "message": 1e-4, "add": 0.002, "optimize": 0.003}
PARTS = {"seconds": SECONDS, "numbers": 2_500_000, "parameters": 2_400_000}
MEASURED = Measured(micro_batch=2.0, add=0.002, optimize=0.003, numbers=2_500_000)


@pytest.fixture(autouse=True)
def restore_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)  # and put back what was there
    yield
    torch.use_deterministic_algorithms(False)


def measured(seconds: dict[str, list[float]]) -> dict[str, Any]:
    return {"seconds": seconds, "parts": PARTS}


def made() -> dict[str, Any]:
    two = {"together": [0.5, 0.5, 0.52], "alone": [0.9, 0.95, 1.0], "plain DDP": [0.49, 0.48, 0.5]}
    result = figures({"1": measured({"together": [0.5]}), "2": measured(two), "4": measured({"together": [1.25]})})
    return result | {"machine": "some processor", "cpus": 2}


def converted() -> dict[str, Any]:
    """A result of benchmarks.bucket."""
    sizes = {"shards": 1_640_000_000, "summaries": 60_000_000, "contents": 12_000_000, "manifest": 9}
    one = {"recordings": 100_000, "shards": 400, "hosts": 1, "cut_off": None, "seconds": 400.0, "bytes": sizes}
    one |= {"recordings_a_second": 275.0, "driver_bytes": 450e6, "worker_bytes": 360e6, "server_cpu_seconds": 90.0}
    few = one | {"recordings": 25_000, "driver_bytes": 300e6}
    cut = one | {"hosts": 3, "cut_off": "host4", "seconds": 300.0, "recordings_a_second": 500.0}
    return {
        "runs": [few, few | {"hosts": 3}, one, cut],
        "growth": growth(few, one),
        "latency": {"latency_seconds": 0.02, "times_as_fast": 9.0},
        "requests": {"recordings": 100, "by_method": {"HEAD": 105, "GET": 115, "PUT": 9}},
        "machine": "some processor",
        "cpus": 2,
        "load_before": 3.2,
    }


def test_ten_million_by_hand() -> None:
    """150 MB in 75,000 recordings are 2 kB each; 2 requests each at 275 a second: ten workers make 5,500."""
    found = at_ten_million(converted())
    assert found["driver_gb"] == pytest.approx(20.45)
    assert (found["shards_gb"], found["reads"]) == (pytest.approx(164.0), 20_040_000)
    assert (found["listings"], found["hours_one_worker"]) == (20_000, pytest.approx(10.1, abs=0.01))
    assert found["workers_at_limit"] == 10.0


def test_ratios_are_of_a_round() -> None:
    assert ratio([2.0, 3.0, 4.0], [1.0, 1.0, 1.0]) == {"median": 3.0, "low": 2.0, "high": 4.0}


def test_targets_are_met_or_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    result = made()
    assert result["two_against_one"]["median"] == pytest.approx(1.9)
    assert result["two_against_one"]["met"]
    assert result["cost_against_ddp"]["median"] == pytest.approx(0.04)
    assert result["cost_against_ddp"]["met"]
    assert [row["of_ideal"] for row in result["weak"]] == pytest.approx([1.0, 1.0, 0.8])
    assert "1.90 times (1.80 to 1.92), target 1.7 met" in shown(result)
    assert "weak scaling, 4 process(es): 1.250 s a step, 80 % of what 2 cores can" in shown(result)


def test_a_process_measures_steps_and_their_parts(tmp_path: Path) -> None:
    """The first of one: of two each compiles the network's kernels, which takes longer than all other tests here."""
    job = made_job(tmp_path)
    process(0, 1, replace(job, network=replace(job.network, **SMALL)), 2, tmp_path)
    found = json.loads((tmp_path / "measured.json").read_text(encoding="utf-8"))
    assert {name: len(each) for name, each in found["seconds"].items()} == {"together": 2}
    assert found["parts"]["numbers"] > found["parts"]["parameters"] > 0
    assert all(seconds > 0 for seconds in found["parts"]["seconds"].values())


def test_the_model_by_hand() -> None:
    """Two workers at 1 Gb/s and 1 ms: each sends 2 D / 2 numbers of 32 bits in two messages."""
    parts = MEASURED.parts(2, Network(name="made", gigabits=1, latency=1e-3), 1)
    assert parts["exchange"] == pytest.approx(2_500_000 * 32 / 1e9 + 2 * 1e-3)
    assert parts["add"] == pytest.approx(0.001)
    assert MEASURED.efficiency(1, NETWORKS[0], 1) == 1.0
    each = [MEASURED.efficiency(workers, NETWORKS[0], 1) for workers in (2, 64, 4096)]
    assert each == sorted(each, reverse=True)


def test_where_a_part_stops() -> None:
    assert last_workers(MEASURED, "add", NETWORKS[0], 1) == "4,096 and more"  # at most 2 ms of 2 s
    assert last_workers(MEASURED, "exchange", NETWORKS[0], 100) == "1"


def test_the_page_of_a_measurement(tmp_path: Path) -> None:
    text = page(made(), converted())
    assert "Two workers against one: 1.90 times" in text
    assert "| 100,000 | 400 | 3, one cut off in the middle | 300 | 500 | 450 MB | 360 MB | 90 |" in text
    assert "| micro-batch | 2.00 s on the measured core | measured, times 5 |" in text
    draw(MEASURED, tmp_path / "scaling.svg")
    assert "efficiency (computed)" in (tmp_path / "scaling.svg").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="make bench-scaling"):
        read(tmp_path / "none.json")


def test_the_projects_page_has_the_figures_of_the_projects_measurement() -> None:
    result, converted = (read(RESULTS / f"bench-{name}.json") for name in ("scaling", "bucket"))
    assert page(result, converted) == PAGE.read_text(encoding="utf-8")
    assert measured_of(result).micro_batch == pytest.approx(
        5 * result["measured"]["2"]["parts"]["seconds"]["micro-batch"]
    )
