"""study.html of a report: every recorded training of the study."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.record import Record
from pipeline.report.figures import Spec
from pipeline.report.study.chart import effect_chart
from pipeline.report.study.content import content_of
from pipeline.report.study.dataset import Declared, StudyDataset, make_dataset
from pipeline.report.study.grid import BASE, PREFIX, configuration_of, cost_of


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """Values of the study for the templates."""

    datasets: list[StudyDataset]
    charts: dict[str, Spec]
    """Vega-Lite specifications by dataset."""
    runs: dict[str, list[Record]]
    """By experiment, the seeds that its numbers are of."""
    unchecked: int
    """Number of trainings without per-sample answers in the folder."""

    def has(self, record: Record) -> bool:
        """Whether a result is on the page."""
        return record in self.runs.get(record.experiment, ())

    @property
    def content(self) -> dict[str, Any]:
        """What it shares with the page of the documentation."""
        return content_of(self.datasets)


def make_study_page(
    checked: Iterable[Record], unchecked: Iterable[Record], hits: Mapping[str, SampleHits]
) -> StudyPage:
    """From all results of other profiles; an experiment is what its first seed was trained with.

    Left out are results that cannot be compared: without a base, of other samples than its, trained otherwise than
    their first seed, or without counted operations. `hits` is by record, for the checked ones.
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
    made = (make_dataset(name, records, declared, hits) for name, records in comparable.items())
    datasets = [one for one in made if one is not None]
    charts = {f"effect-{one.name}": effect_chart(one) for one in datasets if one.compared}
    count = sum(record in without for records in runs.values() for record in records)
    return StudyPage(datasets=datasets, charts=charts, runs=runs, unchecked=count)


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
