"""The tables of docs/gpu.md, from results/bench-gpu.json."""

import json
from typing import Any

from pipeline.evaluate.statistics import wilson
from pipeline.ground.paths import ROOT

COMMAND = "make bench-gpu"
SETTINGS = {
    "low-latency": "T = 5, batch 128, bfloat16, TEBN, TET",
    "authors-setting": "T = 50, batch 21, bfloat16, BNTT, boosting",
}
"""Experiments of profile gpu."""
FORM_TITLES = {
    "through-time": "ours, kernels called",
    "recorded": "ours, kernels recorded, with another training on the same GPU",
    "step-by-step": "one time step after another, float32",
    "step-by-step, deterministic": "the same, with deterministic algorithms, as in training",
    "convolutions": "convolutions alone",
}
Row = dict[str, Any]


def sections(result: Row) -> dict[str, str]:
    """The text between the marks of docs/gpu.md, by their names."""
    runs = list(enumerate(result["runs"], 1))
    return {
        "machines": "\n".join(machine(number, run) for number, run in runs),
        "training": table(
            ("S-ResNet38, with data and augmentation", "kernels", "steps a second", "the GPU works", "run"),
            [training_cells(row, number) for number, run in runs for row in run["training"]],
        ),
        "steps": table(
            ("S-ResNet38", "form", "a step", "the GPU works", "times ours", "run"),
            [step_cells(row, number) for number, run in runs for row in run["steps"]],
        ),
        "accuracy": table(
            ("experiment", "time steps", "epochs", "an epoch", "accuracy", "record", "run"),
            [accuracy_cells(row) for row in result["accuracy"]],
        ),
    }


def table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine(number: int, run: Row) -> str:
    return f"{number}. {run['gpu']}, {run['software']}; {run['date']}, by {run['by']}."


def training_cells(row: Row, run: int) -> list[str]:
    busy = row["gpu_seconds"]
    each = ", ".join(f"{kind} {milliseconds(seconds)}" for kind, seconds in sorted(busy.items())) if busy else ""
    speed = spread(row["steps_per_second"])
    return [SETTINGS[row["experiment"]], row["kernels"], speed, each, f"{run}, {row['measured']}"]


def step_cells(row: Row, run: int) -> list[str]:
    times = [row[name] for name in ("seconds", "gpu_seconds")]
    shown = ["" if value is None else milliseconds(value) for value in times]
    ratio = spread(row["times_ours"]) if row["times_ours"] else ""
    return [row["case"], FORM_TITLES[row["form"]], *shown, ratio, str(run)]


def accuracy_cells(row: Row) -> list[str]:
    link = f"`{row['record']}`" if row["record"] else "none"
    accuracy = of_record(row["record"]) if row["record"] else row["instead"]
    about = f"{row['experiment']}: {row['about']}"
    return [about, str(row["time_steps"]), str(row["epochs"]), row["epoch"], accuracy, link, str(row["run"])]


def of_record(path: str) -> str:
    """Accuracy with Wilson's 95 % interval, in percent."""
    test = json.loads((ROOT / path).read_text(encoding="utf-8"))["test"]
    low, high = wilson(test["correct"], test["samples"])
    return f"{100 * test['correct'] / test['samples']:.2f} % [{low:.2f}, {high:.2f}]"


def spread(values: dict[str, float]) -> str:
    """The median, with the range of the rounds if there are several."""
    median = f"{values['median']:.1f}"
    return f"{median} ({values['low']:.1f} to {values['high']:.1f})" if "low" in values else median


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"
