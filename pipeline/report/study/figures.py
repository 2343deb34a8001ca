"""Figures of the study: differences with intervals, accuracy against operations, and against time steps."""

import altair as alt
import pandas as pd

from pipeline.report.figures import BLUE, GREEN, ORANGE
from pipeline.report.study.grid import Cell
from pipeline.report.study.part import StudyPart

_GREY, _LIGHT_BLUE = "#999999", "#56B4E9"
ANN = "relu"
"""Name of the non-spiking part of the study."""
_COLOURS = {
    "better": BLUE,
    "worse": ORANGE,
    "by itself": _LIGHT_BLUE,
    "open": _GREY,
    "no interval": "#DDDDDD",
    "failed": "#CC79A7",
}


def picture(part: StudyPart) -> bytes:
    """Differences with their intervals, and accuracy against operations and against time steps, as SVG."""
    import vl_convert

    right = (pareto(part) & over_time(part)).resolve_scale(color="independent")
    chart = (forest(part) | right).configure_view(stroke=None).properties(title=part.sizes)
    return bytes(vl_convert.vegalite_to_svg(chart.to_json()), "utf-8")


def kind(words: str) -> str:
    """The colour key of a difference's label (Cell.words)."""
    return "by itself" if "by itself" in words else "failed" if words in ("unstable", "did not train") else words


def forest(part: StudyPart) -> alt.Chart:
    compared = [(cell, d) for cell in part.others if (d := cell.difference) is not None]
    ends = [(d.points if d.low is None else d.low, d.points if d.high is None else d.high) for _, d in compared]
    rows = [
        {
            "part": f"{cell.part} - {cell.reference}",
            "points": d.points,
            "low": low,
            "high": high,
            "is": kind(part.words(cell)),
        }
        for (cell, d), (low, high) in zip(compared, ends, strict=True)
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("part:N", title=None, sort=None, axis=alt.Axis(labelLimit=320)),
        color=alt.Color(
            "is:N",
            title=None,
            legend=alt.Legend(orient="top"),
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
        ),
    )
    # Linear near 0 and logarithmic further away; otherwise one failed part would compress all others.
    domain = [min((low for low, _ in ends), default=0.0) - 1, max((high for _, high in ends), default=0.0) + 1]
    scale = alt.Scale(type="symlog", constant=5, domain=domain, nice=False)
    ticks = [-100, -50, -20, -10, -5, -2, 0, 2, 5, 10, 20, 50]
    title = "difference of test accuracy (points), 95 % interval"
    x = alt.X("low:Q", title=title, scale=scale, axis=alt.Axis(values=ticks))
    zero = alt.Chart(pd.DataFrame([{"x": 0}])).mark_rule(color="#666666", strokeDash=[3, 3]).encode(x="x:Q")
    return (
        zero
        + base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")
        + base.mark_point(filled=True, size=50).encode(x="points:Q")
    ).properties(width=420)


def pareto(part: StudyPart) -> alt.LayerChart:
    """Accuracy against operations; the Pareto front of the spiking networks in green, the ReLU network in orange."""
    front, (floor, top) = frontier(spiking(part.cells)), drawn(part)
    rows = [
        {
            "part": cell.part,
            "accuracy": cell.accuracy,
            "operations": cell.operations / 1e6,
            "kind": "best" if cell.part in front else "other" if cell.part != ANN else ANN,
        }
        for cell in part.cells
        if cell.accuracy >= floor
    ]
    colours = alt.Scale(domain=["best", "other", ANN], range=[GREEN, _GREY, ORANGE])
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X(
            "operations:Q",
            title="effective operations a sample (M)",
            scale=alt.Scale(type="log", nice=False, padding=60),
        ),
        y=alt.Y("accuracy:Q", title="test accuracy (%), mean over seeds", scale=alt.Scale(domain=[floor, top])),
        color=alt.Color("kind:N", scale=colours, legend=None),
    )
    best, named = base.transform_filter(alt.datum.kind == "best"), base.transform_filter(alt.datum.kind != "other")
    line = best.mark_line(interpolate="step-after")
    names = named.mark_text(align="right", dx=-6, dy=-5).encode(text="part:N")
    return (line + base.mark_circle(size=45) + names).properties(width=420, height=330)


def spiking(every: list[Cell]) -> list[Cell]:
    """Cells that trained, except for the ReLU network, which has one time step and needs multiplications."""
    return [cell for cell in every if cell.part != ANN and cell.state != "did not train"]


def drawn(part: StudyPart) -> tuple[float, float]:
    """Range of the accuracy axis (percent): from 30 points below the base to the best, rounded to tens."""
    best = max(cell.accuracy for cell in part.cells)
    return max(0.0, 10.0 * ((part.at_base.accuracy - 30) // 10)), min(100.0, 10.0 * (best // 10 + 1))


def frontier(every: list[Cell]) -> set[str]:
    """The Pareto front: cells that no other equals or beats in both accuracy and operations."""

    def beats(one: Cell, other: Cell) -> bool:
        as_good = one.accuracy >= other.accuracy and one.operations <= other.operations
        return as_good and (one.accuracy, one.operations) != (other.accuracy, other.operations)

    return {cell.part for cell in every if not any(beats(other, cell) for other in every)}


def over_time(part: StudyPart) -> alt.LayerChart:
    """Accuracy after each time step, one line per network; the best with at most that many steps in green."""
    shown, (floor, top) = spiking(part.cells), drawn(part)
    rows = [
        {"part": cell.part, "step": step, "accuracy": accuracy}
        for cell in shown
        for step, accuracy in enumerate(cell.by_step, start=1)
    ]
    x = alt.X("step:Q", title="time steps at test", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y("accuracy:Q", title="test accuracy (%), mean over seeds", scale=alt.Scale(domain=[floor, top]))
    lines = (
        alt.Chart(pd.DataFrame(rows)).mark_line(color=_GREY, opacity=0.4, clip=True).encode(x=x, y=y, detail="part:N")
    )
    best = alt.Chart(pd.DataFrame(best_by_step(shown))).encode(x=x, y=y)
    front = best.mark_line(interpolate="step-after", color=GREEN, point=alt.OverlayMarkDef(color=GREEN), clip=True)
    names = best.transform_filter(alt.datum.name != "").mark_text(align="left", dx=4, dy=-8).encode(text="name:N")
    return (lines + front + names).properties(width=420, height=280)


def best_by_step(every: list[Cell]) -> list[dict[str, object]]:
    """For each number of steps, the best accuracy with at most that many; `name` is set where the best part changes."""
    found: list[tuple[str, int, float]] = []
    for step in range(1, max(len(cell.by_step) for cell in every) + 1):
        reached = [(cell.by_step[step - 1], cell.part) for cell in every if len(cell.by_step) >= step]
        accuracy, part = max(reached + [(accuracy, part) for part, _, accuracy in found[-1:]])
        found.append((part, step, accuracy))
    before = [""] + [part for part, _, _ in found]
    return [
        {"part": part, "step": step, "accuracy": accuracy, "name": part if part != previous else ""}
        for (part, step, accuracy), previous in zip(found, before, strict=False)
    ]
