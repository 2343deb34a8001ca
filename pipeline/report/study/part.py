"""One dataset of the study, as its page and figures show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.evaluate.record import Record
from pipeline.report.study.grid import (
    BASE,
    PREFIX,
    Cell,
    CellConfiguration,
    cells,
    grouped,
    places,
    significant,
    spread_of_steady,
)
from pipeline.report.study.pooled import PooledSpread


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A training that the profile declares."""

    experiment: str
    dataset: str
    configuration: CellConfiguration
    """In the form of a record."""


@dataclass(frozen=True, kw_only=True)
class StudyPart:
    """One dataset of the study."""

    name: str
    base: Record
    """The base's record with the first seed."""
    cells: list[Cell]
    spread: PooledSpread | None
    holds: set[str]
    """Parts whose difference is significant after Holm's correction."""
    places: dict[str, tuple[int, int]]
    """Interval of the rank of each steady part: best and worst."""
    sizes: str
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By part, if measured: time of a training step relative to the base's (median, low, high)."""

    @property
    def others(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.part != BASE]

    @property
    def at_base(self) -> Cell:
        return self.cells[0]

    @property
    def most_steps(self) -> int:
        return max(len(cell.by_step) for cell in self.cells)

    def words(self, cell: Cell) -> str:
        return cell.words(cell.part in self.holds)

    @property
    def compared(self) -> int:
        """Number of comparisons with an interval."""
        return sum(cell.difference is not None and cell.difference.low is not None for cell in self.others)

    def called(self, words: str) -> str:
        """The parts with this label, with their points if there is an interval, such as: bn (+1.20), or - and
        (-3.40)."""
        named = [cell for cell in self.others if self.words(cell) == words]
        return ", ".join(
            cell.part
            + (f" - {cell.reference}" if cell.reference != BASE else "")
            + (f" ({cell.difference.points:+.2f})" if cell.difference and cell.difference.low is not None else "")
            for cell in named
        )

    def step_time(self, cell: Cell) -> str:
        """Time of a training step relative to the base's."""
        return (
            "1.00"
            if cell.part == BASE
            else f"{self.seconds[cell.part]['median']:.2f}"
            if cell.part in self.seconds
            else "–"
        )

    def relative(self, cell: Cell) -> float:
        """Operations relative to the base's."""
        return cell.operations / self.at_base.operations


def make_part(
    name: str, records: list[Record], declared: Mapping[str, Declared], seconds: Mapping[str, Any] | None = None
) -> StudyPart | None:
    """The part of a dataset; None without a record of the base. `seconds`: results of benchmarks/study.py by
    dataset."""
    mine = [about for about in declared.values() if about.dataset == name]
    configurations = {about.experiment.removeprefix(f"{PREFIX}{name}-"): about.configuration for about in mine}
    by_part = grouped(records, name, configurations)
    if not by_part:
        return None
    spread = spread_of_steady(by_part)
    found = cells(by_part, configurations, spread)
    return StudyPart(
        name=name,
        base=by_part[BASE][0],
        cells=found,
        spread=spread,
        holds=significant(found),
        places=places(found, spread),
        sizes=sizes(by_part[BASE][0]),
        seconds=(seconds or {}).get(name, {}).get("ratios", {}),
    )


def sizes(record: Record) -> str:
    """The sizes and settings that every caption states."""
    network, training, data = record.network, record.training, record.dataset
    layers, epochs = 6 * network["blocks"] + 2, training["epochs"]
    return (
        f"{data['title']}, {layers} layers, {network['width']} filters, T = {network['time_steps']}, "
        f"{epochs} epochs of {data['train_samples']:,} samples at rate {training['learning_rate']:g}, "
        f"{data['test_samples']:,} test samples"
    )
