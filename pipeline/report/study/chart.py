"""The picture of a dataset: the effect of each part against its operations, with the parts' names."""

from math import expm1, log1p
from typing import Any

from pipeline.report.figures import BLUE, GREEN, ORANGE, Spec, chart_of, encoded, marked
from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.grid import Cell
from pipeline.report.study.labels import interval_text

GREY = "#888888"
COLOURS = {"better": BLUE, "worse": ORANGE, "by itself": GREEN, "open": GREY}
"""By finding; by itself: better or worse so, but not among all comparisons of the dataset."""
CROWDED = 0.88, 1.5
"""Range of operations (reference = 1) in which most parts are; their names stand in one column beside them."""
COLUMN = 1.2
"""Least place of that column."""
LINE = 15
"""Height of a name (pixels)."""
LINEAR = 5.0
"""Points within which the vertical axis is nearly linear; further out it is logarithmic."""
_POINTS = {"values": [-80, -40, -20, -10, -5, -2, 0, 2, 5, 10, 20, 40], "labelOverlap": False}
_OPERATIONS = {"values": [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2, 3, 5, 8, 12], "format": "~g", "labelOverlap": True}
_NARROW = {"test": "width < 560 && (datum.finding === 'open' || datum.finding === 'by itself')", "value": 0}
"""A phone shows the names of what is decided."""


def effect_chart(dataset: StudyDataset) -> Spec:
    """Chart of each steady part's effect on accuracy against its operations, both relative to its reference."""
    drawn = [cell for cell in dataset.compared if cell.state == "steady"]
    low, high = _ends(_points(drawn))
    crowd = [cell for cell in drawn if CROWDED[0] <= dataset.relative(cell) <= CROWDED[1]]
    height = max(280, LINE * len(crowd) + 40)
    shown = [row for group in _groups(dataset, drawn, crowd) for row in _named(dataset, group, low, high, height)]
    x = encoded("operations:Q", title="operations of a sample, reference = 1", scale=_scale(shown), axis=_OPERATIONS)
    y = encoded("points:Q", title="points of accuracy", scale=_symlog(low, high), axis=_POINTS)
    about = (
        f"{len(shown)} parts: difference of the test accuracy from its reference against operations. Up is more "
        "accurate, left is cheaper. Point at a mark for its interval; unstable parts are not drawn."
    )
    return chart_of({"layer": _layers(x, y)}, {"rows": shown}, about, height=height)


def _ends(points: list[float]) -> tuple[float, float]:
    """The vertical axis, with a margin on both sides."""
    low, high = _stretched(min(points)), _stretched(max(points))
    margin = 0.07 * max(high - low, 1.0)
    return _shrunk(low - margin), _shrunk(high + margin)


def _points(drawn: list[Cell]) -> list[float]:
    return [0.0, *(cell.difference.points for cell in drawn if cell.difference)]


def _groups(dataset: StudyDataset, drawn: list[Cell], crowd: list[Cell]) -> list[list[Cell]]:
    """Cells whose names must not overlap each other: cheap ones, the crowd, dear ones."""
    rest = [cell for cell in drawn if cell not in crowd]
    cheap, dear = ([cell for cell in rest if (dataset.relative(cell) < 1) == less] for less in (True, False))
    return [cheap, crowd, dear]


def _named(dataset: StudyDataset, group: list[Cell], low: float, high: float, height: int) -> list[dict[str, Any]]:
    """Rows of the chart's data; `at` and `level` are where a name stands."""
    ordered = sorted(group, key=lambda cell: -cell.difference.points if cell.difference else 0.0)
    span = _stretched(high) - _stretched(low)
    wanted = [(_stretched(high) - _stretched(p)) / span * height for p in _points(ordered)[1:]]
    places = [_shrunk(_stretched(high) - place / height * span) for place in apart(wanted, LINE, height)]
    column = max([COLUMN, *(1.03 * dataset.relative(cell) for cell in group)])
    return [_row(dataset, cell, column, level) for cell, level in zip(ordered, places, strict=True)]


def _row(dataset: StudyDataset, cell: Cell, column: float, level: float) -> dict[str, Any]:
    assert cell.difference is not None, "a drawn cell was compared"
    operations, words = dataset.relative(cell), dataset.words(cell)
    crowded = CROWDED[0] <= operations <= CROWDED[1]
    return {
        "part": cell.part,
        "against": cell.reference,
        "finding": "by itself" if "by itself" in words else words,
        "effect": interval_text(cell.difference),
        "points": round(cell.difference.points, 2),
        "operations": round(operations, 4),
        "at": round(column if crowded else operations, 4),
        "level": round(level, 3),
        "side": "left" if operations < CROWDED[0] else "right",
    }


def apart(wanted: list[float], gap: float, length: float) -> list[float]:
    """Positions at least `gap` apart and at most `length`, in the order of the rising wanted ones and near to them.

    Least squares: isotonic regression by pooling neighbours (Ayer et al. 1955).
    """
    pools: list[tuple[float, int]] = []  # mean of wanted - gap * index, and number
    for index, place in enumerate(wanted):
        mean, number = place - gap * index, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, number = (mean * number + before * count) / (number + count), number + count
        pools.append((mean, number))
    last = length - gap / 2 - gap * (len(wanted) - 1)
    starts = [max(min(mean, last), gap / 2) for mean, number in pools for _ in range(number)]
    return [start + gap * index for index, start in enumerate(starts)]


def _stretched(points: float) -> float:
    """Vega's symlog."""
    return (1 if points >= 0 else -1) * log1p(abs(points) / LINEAR)


def _shrunk(value: float) -> float:
    return (1 if value >= 0 else -1) * LINEAR * expm1(abs(value))


def _symlog(low: float, high: float) -> Spec:
    return {"type": "symlog", "constant": LINEAR, "domain": [round(low, 2), round(high, 2)], "nice": False}


def _scale(rows: list[dict[str, Any]]) -> Spec:
    """With room for names on both sides."""
    every = [1.0, *(row["operations"] for row in rows)]
    return {"type": "log", "domain": [round(min(every) * 0.55, 3), round(max(max(every) * 1.5, 1.9), 3)], "nice": False}


def _layers(x: Spec, y: Spec) -> list[Spec]:
    """The reference as two lines, then leaders from points to names, points, and names on either side."""
    kinds = list(COLOURS)
    shapes = {"domain": kinds, "range": ["triangle-up", "triangle-down", "diamond", "circle"]}
    colours = {"domain": kinds, "range": list(COLOURS.values())}
    tips = [encoded(f"{name}:N") for name in ("part", "against", "effect", "finding", "operations")]
    dashed = {"type": "rule", "strokeDash": [3, 3], "color": GREY, "aria": False}
    finding = {"title": None, "legend": {"orient": "top", "symbolSize": 90}}
    name = {"field": "part", "type": "nominal"}
    at, level = encoded("at:Q", title=x["title"]), encoded("level:Q", title=y["title"])
    here = {"opacity": {"condition": _NARROW, "value": 1}}
    return [
        {"data": {"values": [{}]}, "mark": dashed, "encoding": {"y": {"datum": 0}}},
        {"data": {"values": [{}]}, "mark": dashed, "encoding": {"x": {"datum": 1}}},
        marked(
            "rows", {"type": "rule", "color": GREY, "aria": False},
            x=x, x2={"field": "at"}, y=y, y2={"field": "level"}, opacity={"condition": _NARROW, "value": 0.45},
        ),
        marked(
            "rows", {"type": "point", "filled": True, "size": 75, "opacity": 1},
            x=x, y=y, tooltip=tips,
            color=encoded("finding:N", scale=colours, **finding),
            shape=encoded("finding:N", scale=shapes, **finding),
        ),
        *(
            marked(
                "rows", {"type": "text", "align": align, "dx": dx, "fontSize": {"expr": "width < 560 ? 10 : 12"}},
                x=at, y=level, text=name, **here,
            ) | {"transform": [{"filter": f"datum.side === '{side}'"}]}
            for side, align, dx in (("left", "right", -8), ("right", "left", 8))
        ),
    ]  # fmt: skip


def picture(dataset: StudyDataset) -> bytes:
    """The chart as SVG, on white."""
    import vl_convert

    text = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500}
    config = {"axis": text, "legend": text, "view": {"stroke": None}, "background": "white"}
    spec = effect_chart(dataset) | {"width": 860, "config": config}
    return bytes(vl_convert.vegalite_to_svg(spec), "utf-8")
