"""One dataset of the study as its page and its pictures show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.audit.record import Record
from pipeline.audit.study import BASE, PREFIX, Cell, Configuration, cells, places, significant


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A training of the profile."""

    experiment: str
    dataset: str
    configuration: Configuration
    """As a record has it."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One dataset of the study."""

    name: str
    base: Record
    """Of its first seed."""
    cells: list[Cell]
    holds: set[str]
    """Parts whose difference stays after Holm's correction."""
    places: dict[str, tuple[int, int]]
    """By part: the best and the worst place that it may have."""
    sizes: str
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By part: time of a training step against the base's, median, low and high; none that was not measured."""

    @property
    def others(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.part != BASE]

    @property
    def at_base(self) -> Cell:
        return self.cells[0]

    def words(self, cell: Cell) -> str:
        return cell.words(cell.part in self.holds)

    def called(self, words: str) -> str:
        """The parts of which that is said, with their points: bn (+1.20), tebn (-3.40)."""
        named = [cell for cell in self.others if cell.difference and self.words(cell) == words]
        return ", ".join(f"{cell.part} ({cell.difference.mean:+.2f})" for cell in named if cell.difference)

    def step_time(self, cell: Cell) -> str:
        """Against the base's."""
        return (
            "1.00"
            if cell.part == BASE
            else f"{self.seconds[cell.part]['median']:.2f}"
            if cell.part in self.seconds
            else "–"
        )

    def relative(self, cell: Cell) -> float:
        """Operations against the base's."""
        return cell.operations / self.at_base.operations


def make_part(
    name: str, records: list[Record], declared: Mapping[str, Declared], seconds: Mapping[str, Any] | None = None
) -> Part | None:
    """None without a record of the base; `seconds`: what benchmarks/study.py measured, by dataset."""
    mine = [about for about in declared.values() if about.dataset == name]
    configurations = {about.experiment.removeprefix(f"{PREFIX}{name}-"): about.configuration for about in mine}
    found = cells(records, name, configurations)
    if not found:
        return None
    base = next(record for record in records if record.experiment == f"{PREFIX}{name}-{BASE}")
    return Part(
        name=name,
        base=base,
        cells=found,
        holds=significant(found),
        places=places(found),
        sizes=sizes(base),
        seconds=(seconds or {}).get(name, {}).get("ratios", {}),
    )


def sizes(record: Record) -> str:
    """What every caption has to say."""
    network, training, data = record.network, record.training, record.dataset
    layers, epochs = 6 * network["blocks"] + 2, training["epochs"]
    return (
        f"{data['title']}, {layers} layers, {network['width']} filters, T = {network['time_steps']}, "
        f"{epochs} epochs of {data['train_samples']:,} samples, {data['test_samples']:,} test samples"
    )
