"""The page on training speed states what was measured and what was not."""

import json
from pathlib import Path
from typing import Any

from benchmarks.speed_page import PAGE, main, speed_page
from pipeline.ground.paths import ROOT

AROUND = {"machine": "x86_64 Some CPU, torch 2.15.0", "cpus": 2, "threads": 2, "rounds": 3}
RATIO = {"median": 3.4, "low": 2.95, "high": 3.6}
ROW = {
    "faster_than_step_by_step": RATIO,
    "against_convolutions": {"median": 1.2, "low": 1.1, "high": 1.3},
    "median_seconds": {"through-time": 1.79, "step-by-step": 6.1, "convolutions": 1.5},
    "peak_bytes": {"through-time": 512 << 20, "step-by-step": 2048 << 20},
    "profile": {
        "convolutions": 1.4,
        "passes": 0.25,
        "rest": 0.05,
        "passes_bytes": 3e9,
        "copy_bytes_per_second": 20e9,
    },
}
TRAIN = {
    "Some CPU": {
        "rows": {"float32, T = 50, batch 2": ROW, "inference, float32": ROW | {"peak_bytes": {}}},
        "recompute": {"float32, recompute blocks": ROW},
    }
    | AROUND
}
FITS = {"seconds": {"largest_deviation": 0.04}, "bytes": {"largest_deviation": 0.02}}
OTHERS: dict[str, dict[str, Any]] = {
    "growth": {"lines": {"time_steps": FITS, "batch": FITS}} | AROUND,
    "peers": {
        "versions": {"norse": "1.1.0"},
        "rows": {"T = 10": {"slower_than_ours": {"norse": RATIO}, "median_seconds": {"ours": 0.0123}}},
    }
    | AROUND,
    "epoch": {
        "data": "images of noise",
        "samples": 10000,
        "steps_of_an_epoch": 500,
        "epoch_against_bare": RATIO,
        "stage_against_bare": 4.0,
        "stage_seconds": {"start": 6.2, "epochs": [1.0, 1.0, 1.0], "end": 2.6},
    }
    | AROUND,
    "precision": {
        "flips": {"n = 1": {"rate_alone": 1.5e-3}},
        "accuracy": {"data": "Digits", "seeds": [0, 1, 2], "difference": {"mean": -0.25, "low": -0.5, "high": 0.1}},
    }
    | AROUND,
}


def written(folder: Path, results: dict[str, dict[str, Any]]) -> str:
    """The page that is written from these results."""
    for name, result in results.items():
        (folder / f"bench-{name}.json").write_text(json.dumps(result), encoding="utf-8")
    main(folder / "page.md", folder)
    return (folder / "page.md").read_text(encoding="utf-8")


def test_everything_that_was_measured(tmp_path: Path) -> None:
    text = written(tmp_path, {"train": TRAIN, **OTHERS})
    assert text.startswith("# Speed of training\n\n")
    cells = "1.79 s | 3.40 (2.95 to 3.60) | 1.20 (1.10 to 1.30)"
    assert f"| float32, T = 50, batch 2 | {cells} | 512 MiB | 0.25 |" in text
    assert f"| inference, float32 | {cells} |  |  |" in text
    assert "| float32, recompute blocks |" in text
    assert "passes 0.25 s (3.0 GB, 0.15 s at the speed of a copy), rest 50.0 ms." in text
    assert "](growth.svg)" in text
    assert "4 % (time) and 2 % (memory) over T" in text
    assert "| | ours | Norse (1.1.0) |\n| --- | --- | --- |\n| T = 10 | 12.3 ms | 3.40 (2.95 to 3.60) |" in text
    assert "images of noise, 10,000 samples" in text
    assert "Ray's start (6 s)" in text
    assert "-0.25 points (95 % interval -0.50 to +0.10, 3 seeds)" in text
    assert "| n = 1 | 1,500 |" in text
    assert "a GPU; [On a GPU](gpu.md) has what was seen on one. Every round is in" in text
    assert "Not measured: " not in text


def test_what_was_not_measured_is_named(tmp_path: Path) -> None:
    text = written(tmp_path, {"train": TRAIN})
    assert "Not measured: `results/bench-growth.json`, `results/bench-peers.json`" in text
    assert "growth.svg" not in text


def test_the_committed_page_says_what_the_committed_results_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == f"{speed_page(ROOT / 'results')}\n"
