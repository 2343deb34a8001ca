"""The README's section on speed says what was measured, what was not, and nothing else changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.readme import BEGIN, END, main, section
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT

AROUND = {"machine": "x86_64 Some CPU, torch 2.15.0", "gpu": None, "cpus": 2, "threads": 2, "rounds": 3}
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
    "rows": {"float32, T = 50, batch 2": ROW, "inference, float32": ROW | {"peak_bytes": {}}},
    "recompute": {"float32, recompute blocks": ROW},
} | AROUND
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
    """The README after the section was written from these results."""
    readme = folder / "README.md"
    readme.write_text(f"# Before\n\n{BEGIN}\nold figures\n{END}\n\nAfter.\n", encoding="utf-8")
    for name, result in results.items():
        (folder / f"bench-{name}.json").write_text(json.dumps(result), encoding="utf-8")
    main(readme, folder)
    return readme.read_text(encoding="utf-8")


def test_everything_that_was_measured(tmp_path: Path) -> None:
    text = written(tmp_path, {"train": TRAIN, **OTHERS})
    assert text.startswith(f"# Before\n\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\n\nAfter.\n")
    assert "old figures" not in text
    cells = "1.79 s | 3.40 (2.95 to 3.60) times | 1.20 (1.10 to 1.30) times"
    assert f"| float32, T = 50, batch 2 | {cells} | 512 MiB | 0.25 times |" in text
    assert f"| inference, float32 | {cells} |  |  |" in text
    assert "| float32, recompute blocks |" in text
    assert "passes 0.25 s (3.0 GB, 0.15 s at the speed of a copy), rest 50.0 ms" in text
    assert "docs/growth.svg" in text
    assert "4 % (time) and 2 % (memory) over T" in text
    assert "| | ours | Norse (1.1.0) |\n| --- | --- | --- |\n| T = 10 | 12.3 ms | 3.40 (2.95 to 3.60) times |" in text
    assert "images of noise, 10,000 samples" in text
    assert "Ray's start (6 s)" in text
    assert "-0.25 points (95 % interval -0.50 to +0.10, 3 seeds)" in text
    assert "1,500 ppm for n = 1" in text
    assert "Not on a GPU: [docs/gpu.md](docs/gpu.md) has what was seen on one. Every round is in" in text
    assert "Not measured" not in text
    main(tmp_path / "README.md", tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text


def test_what_was_not_measured_is_named(tmp_path: Path) -> None:
    text = written(tmp_path, {"train": TRAIN})
    assert "Not measured: `results/bench-growth.json`, `results/bench-peers.json`" in text
    assert "growth.svg" not in text


def test_a_gpu_has_figures_only_if_it_was_measured(tmp_path: Path) -> None:
    measured = TRAIN | {
        "rows": {"GPU, bfloat16, T = 50, batch 21": ROW | {"profile": None}},
        "gpu": "Some GPU, torch 2.15.0",
    }
    text = written(tmp_path, {"train": measured})
    assert "| GPU, bfloat16, T = 50, batch 21, Some GPU, torch 2.15.0 | 1.79 s |" in text
    assert "No GPU" not in text


@pytest.mark.parametrize("text", ["# No marks\n", f"{END}\n{BEGIN}\n"])
def test_a_readme_without_marks_is_left_alone(text: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no <!-- bench --> before"):
        main(readme, tmp_path)
    assert readme.read_text(encoding="utf-8") == text


def test_the_projects_readme_says_what_the_committed_results_say() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    between = text.partition(BEGIN)[2].partition(END)[0]
    assert between.strip() == section(ROOT / "results")
