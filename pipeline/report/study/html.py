"""study.html of a report: every recorded training of the study."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.evaluate.record import Record
from pipeline.report.figures import BLUE, Spec, chart_of, encoded, marked
from pipeline.report.study.grid import PREFIX, configuration_of
from pipeline.report.study.part import Declared, StudyPart, make_part

_TICKS = {"tickCount": 8}


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """Values of the study for the templates."""

    parts: list[StudyPart]
    """One per dataset."""
    charts: dict[str, Spec]
    """Vega-Lite specifications by dataset."""
    runs: dict[str, list[Record]]
    """Records by experiment, one per seed."""
    unchecked: int
    """Number of trainings without per-sample answers in the folder."""


def is_of_study(record: Record) -> bool:
    """Whether the record is of a training of the profile study."""
    return record.experiment.startswith(PREFIX)


def make_study_page(checked: Iterable[Record], unchecked: Iterable[Record]) -> StudyPage:
    """Makes the page from all results of other profiles. The first seed gives an experiment's configuration."""
    without = [record for record in unchecked if is_of_study(record)]
    mine = sorted((*filter(is_of_study, checked), *without), key=lambda one: (one.experiment, one.seed))
    runs: dict[str, list[Record]] = {}
    for record in mine:
        runs.setdefault(record.experiment, []).append(record)
    declared = {experiment: _declared(records[0]) for experiment, records in runs.items()}
    datasets = sorted({about.dataset for about in declared.values()})
    parts = [part for part in (make_part(name, mine, declared) for name in datasets) if part is not None]
    charts = {f"effect-{part.name}": effect_chart(part) for part in parts}
    return StudyPage(parts=parts, charts=charts, runs=runs, unchecked=len(without))


def _declared(record: Record) -> Declared:
    return Declared(
        experiment=record.experiment, dataset=str(record.dataset["name"]), configuration=configuration_of(record)
    )


def effect_chart(part: StudyPart) -> Spec:
    """Chart of each part's change in accuracy against its change in operations."""
    rows = [
        {
            "part": cell.part,
            "against": cell.reference,
            "operations": round(part.relative(cell), 4),
            "points": round(cell.difference.points, 2),
            "low": _rounded(cell.difference.low),
            "high": _rounded(cell.difference.high),
            "seeds": ", ".join(map(str, cell.accuracies)),
        }
        for cell in part.others
        if cell.difference is not None and cell.state == "steady"
    ]
    tips = [encoded(name) for name in ("part:N", "against:N", "points:Q", "low:Q", "high:Q", "operations:Q", "seeds:N")]
    x = encoded("operations:Q", title="effective operations of a sample, base = 1", scale={"zero": False}, axis=_TICKS)
    y = encoded("points:Q", title="points of accuracy", axis=_TICKS)
    ends = {"y": encoded("low:Q", title="points of accuracy", axis=_TICKS), "y2": {"field": "high"}}
    rule = {"type": "rule", "color": BLUE, "opacity": 0.35}
    point = {"type": "point", "filled": True, "size": 70, "color": BLUE, "opacity": 1}
    layers = [marked("rows", rule, x=x, **ends), marked("rows", point, x=x, y=y, tooltip=tips)]
    about = (
        f"{len(rows)} parts, each in the place of the authors' choice: difference of the test accuracy from its "
        "reference, with the 95 % interval over seeds, and operations. The name of a part shows at its point."
    )
    return chart_of({"layer": layers}, {"rows": rows}, about, height=360)


def _rounded(value: float | None) -> Any:
    return None if value is None else round(value, 2)
