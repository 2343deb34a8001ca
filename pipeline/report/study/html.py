"""study.html of a report: every recorded training of the study."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.evaluate.record import Record
from pipeline.report.figures import BLUE, Spec, chart_of, encoded, marked
from pipeline.report.study.grid import BASE, PREFIX, configuration_of, cost_of
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
    """By experiment, the seeds that its numbers are of."""
    unchecked: int
    """Number of trainings without per-sample answers in the folder."""

    def has(self, record: Record) -> bool:
        """Whether a result is on the page."""
        return record in self.runs.get(record.experiment, ())


def make_study_page(checked: Iterable[Record], unchecked: Iterable[Record]) -> StudyPage:
    """From all results of other profiles; an experiment is what its first seed was trained with.

    Left out are results that cannot be compared: without a base, of other samples than its, trained otherwise than
    their first seed, or without counted operations.
    """
    without = list(unchecked)
    by_dataset: dict[str, list[Record]] = {}
    for record in sorted((*checked, *without), key=lambda one: (one.experiment, one.seed)):
        if record.experiment.startswith(f"{PREFIX}{record.dataset['name']}-") and record.operations is not None:
            by_dataset.setdefault(str(record.dataset["name"]), []).append(record)
    comparable = {name: _comparable(name, records) for name, records in sorted(by_dataset.items())}
    runs: dict[str, list[Record]] = {}
    for record in (record for records in comparable.values() for record in records):
        runs.setdefault(record.experiment, []).append(record)
    declared = {experiment: _declared(records[0]) for experiment, records in runs.items()}
    made = (make_part(name, records, declared) for name, records in comparable.items())
    parts = [part for part in made if part is not None]
    charts = {f"effect-{part.name}": effect_chart(part) for part in parts}
    count = sum(record in without for records in runs.values() for record in records)
    return StudyPage(parts=parts, charts=charts, runs=runs, unchecked=count)


def _comparable(dataset: str, records: list[Record]) -> list[Record]:
    """The records of a dataset whose samples and keys are those of the base; empty without one that has operations."""
    base = next((record for record in records if record.experiment == f"{PREFIX}{dataset}-{BASE}"), None)
    if base is None or not cost_of(base)[0]:
        return []
    first: dict[str, Record] = {}
    return [
        record
        for record in records
        if all(record.digests.get(rows) == base.digests.get(rows) for rows in ("train_rows", "test_rows"))
        and configuration_of(record).keys() == configuration_of(base).keys()
        and configuration_of(first.setdefault(record.experiment, record)) == configuration_of(record)
    ]


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
    rule = {"type": "rule", "color": BLUE, "opacity": 0.6}
    point = {"type": "point", "filled": True, "size": 70, "color": BLUE, "opacity": 1}
    layers = [marked("rows", rule, x=x, **ends), marked("rows", point, x=x, y=y, tooltip=tips)]
    about = (
        f"{len(rows)} parts, each in the place of the authors' choice: difference of the test accuracy from its "
        "reference, with the 95 % interval over seeds, and operations. Point at a mark to see the name of its part."
    )
    return chart_of({"layer": layers}, {"rows": rows}, about, height=360)


def _rounded(value: float | None) -> Any:
    return None if value is None else round(value, 2)
