"""How time and memory of S-ResNet38's training step grow with time steps, batch and width: python -m benchmarks.growth

The implementations take turns at each point. If there is no cliff, seconds and bytes are linear in time steps and in
batch size; the largest relative deviation from a line is reported. Work grows with the square of the width, so for the
width the convolutions alone are the comparison.
"""

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import torch

from benchmarks import positive
from benchmarks.forms import FORMS, S_RESNET38, Case, Form, step_of
from benchmarks.memory import peak_bytes
from benchmarks.train_step import circumstances, measure
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.protocol.hardware import keep_memory
from pipeline.report.figures import BLUE, GREEN, ORANGE

PLOT = ROOT / "docs" / "growth.svg"
COLOURS: dict[Form, str] = {"through-time": BLUE, "step-by-step": ORANGE, "convolutions": GREEN}
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Point:
    """A size of the step."""

    time_steps: int = 10
    batch: int = 2
    width: int = 32

    def case(self) -> Case:
        return Case(network=replace(S_RESNET38, time_steps=self.time_steps, width=self.width), batch=self.batch)

    def work(self) -> float:
        """Work relative to the middle point (T = 10, batch 2, 32 filters)."""
        return self.time_steps / 10 * self.batch / 2 * (self.width / 32) ** 2


SERIES: dict[str, list[Point]] = {
    "time_steps": [Point(time_steps=steps) for steps in (4, 10, 25, 50, 100)],
    "batch": [Point(batch=batch) for batch in (1, 2, 4, 8, 16)],
    "width": [Point(width=width) for width in (8, 16, 32, 64)],
}
STRAIGHT = ("time_steps", "batch")
TITLES = {
    "time_steps": "time steps T (batch 2, 32 filters)",
    "batch": "batch (T = 10, 32 filters)",
    "width": "filters of the first stage (T = 10, batch 2)",
}
AFFORDABLE = 2.5
"""Work up to which step-by-step is measured too; beyond, it would take most of the benchmark's time."""
Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, fits, draws, writes."""
    settings = parse(arguments)
    load = os.getloadavg()[0]
    torch.set_num_threads(settings.threads)
    keep_memory()
    points = dict.fromkeys(point for series in SERIES.values() for point in series)
    rows = {point: row(point, settings) for point in points}
    series = {name: [rows[point] for point in members] for name, members in SERIES.items()}
    lines = {name: {what: line(series[name], name, what) for what in ("seconds", "bytes")} for name in STRAIGHT}
    for name, fits in lines.items():
        deviations = ", ".join(f"{what} {100 * fit['largest_deviation']:.0f} %" for what, fit in fits.items())
        print(f"{name}: largest deviation from a line: {deviations}")
    result = {"series": series, "lines": lines} | circumstances(settings, load)
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    draw(series, settings.plot)
    print(f"written to {settings.output} and {settings.plot}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description="Times training steps of S-ResNet38 over time steps, batch and width, and draws them.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--threads", type=positive, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=positive, default=3, help="measurements of each form, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-growth.json", help="file of the result")
    parser.add_argument("--plot", type=Path, default=PLOT, help="file of the plot")
    return parser.parse_args(arguments)


def row(point: Point, settings: argparse.Namespace) -> Row:
    """Median seconds and peak bytes of each form at a point."""
    compared: tuple[Form, ...] = tuple(form for form in FORMS if form != "step-by-step" or point.work() <= AFFORDABLE)
    taken = measure({form: step_of(point.case(), form) for form in compared}, settings.rounds)
    seconds = {form: statistics.median(each) for form, each in taken.items()}
    kept: tuple[Form, ...] = tuple(form for form in compared if form != "convolutions")
    memory = {form: peak_bytes(point.case(), form, settings.threads, processes=1) for form in kept}
    shown = ", ".join(f"{form} {value:.3f} s" for form, value in seconds.items())
    print(f"{point}: {shown}, {memory['through-time'] / MIB:.0f} MiB", flush=True)
    where = {"time_steps": point.time_steps, "batch": point.batch, "width": point.width}
    return where | {"seconds": seconds, "rounds_seconds": taken, "bytes": memory}


def line(rows: list[Row], over: str, what: str) -> dict[str, float]:
    """The line with least squared relative deviations for the form through-time.

    `largest_deviation` is the maximum of |measured - line| / line.
    """
    x = np.array([row[over] for row in rows], dtype=np.float64)
    y = np.array([row[what]["through-time"] for row in rows], dtype=np.float64)
    slope, start = np.polyfit(x, y, 1, w=1 / y)
    expected = start + slope * x
    return {
        "start": float(start),
        "slope": float(slope),
        "largest_deviation": float(np.max(np.abs(y - expected) / np.abs(expected))),
    }


def draw(series: dict[str, list[Row]], path: Path) -> None:
    """Draws three columns of time and memory, on white, to be readable on a dark page too."""
    panels = [
        alt.hconcat(*(panel(series[name], name, what) for name in SERIES)).resolve_scale(color="shared")
        for what in ("seconds", "bytes")
    ]
    chart = alt.vconcat(*panels).resolve_scale(color="shared").properties(background="white", padding=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.configure_legend(orient="top", title=None, labelFontSize=12).save(str(path))


def panel(rows: list[Row], over: str, what: str) -> alt.Chart:
    """Seconds, or memory (MiB), against one size."""
    unit, title = (1, "seconds a step") if what == "seconds" else (MIB, "peak memory of a step (MiB)")
    values = [{"x": row[over], "y": value / unit, "form": form} for row in rows for form, value in row[what].items()]
    colour = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    return (
        alt.Chart(pd.DataFrame(values), width=220, height=170)
        .mark_line(point=True)
        .encode(
            x=alt.X("x:Q", title=TITLES[over], axis=alt.Axis(values=[row[over] for row in rows], format="d")),
            y=alt.Y("y:Q", title=title if over == "time_steps" else None, axis=alt.Axis(tickCount=5)),
            color=alt.Color("form:N", scale=colour),
        )
    )


if __name__ == "__main__":
    main()
