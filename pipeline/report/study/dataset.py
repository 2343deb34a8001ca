"""One dataset of the study, as its pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.record import Record
from pipeline.report.study.equal_spread import equal_spread
from pipeline.report.study.grid import (
    BASE,
    PREFIX,
    Cell,
    CellConfiguration,
    Compared,
    cells,
    compare_parts,
    grouped,
    significant,
    state_of,
)
from pipeline.report.study.pairs import PartPair, interacting, pairs_of, with_two_parts
from pipeline.report.study.pooled import contrast_of, in_points, log_odds
from pipeline.report.study.rates import RatedPart, hold_at_best, rated_parts, without_rates

PLANNED_SEEDS = (3, 5, 10)
"""Numbers of seeds for which a page says what they decide."""
RECORDINGS = {"dvs-objects": 5}
"""Number of recordings by dataset, where the test samples are windows of few: they are no sample of all recordings."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A training that the profile declares."""

    experiment: str
    dataset: str
    configuration: CellConfiguration
    """In the form of a record."""


@dataclass(frozen=True, kw_only=True)
class StudyDataset:
    """The parts of the network on one dataset."""

    name: str
    base: Record
    """The base's record with the first seed."""
    cells: list[Cell]
    evidence: Compared | None
    holds: set[str]
    """Parts whose difference is significant after Holm's correction."""
    pairs: list[PartPair] = field(default_factory=list)
    """Pairs of parts that were also run together."""
    rated: list[RatedPart] = field(default_factory=list)
    """Parts that ran at three learning rates, the base first."""
    further: list[Cell] = field(default_factory=list)
    """The experiments that are no part: two parts at once, and parts at another learning rate."""
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By part, if measured: time of a training step relative to the base's (median, low, high)."""

    @property
    def title(self) -> str:
        return str(self.base.dataset["title"])

    @property
    def recordings(self) -> int | None:
        """Number of recordings that all test samples are windows of, if they are few."""
        return RECORDINGS.get(self.name)

    @property
    def heading(self) -> str:
        """The title, with what the intervals are over if not over samples."""
        return f"{self.title}: windows of {self.recordings} recordings" if self.recordings else self.title

    @property
    def others(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.part != BASE]

    @property
    def at_base(self) -> Cell:
        return self.cells[0]

    def words(self, cell: Cell) -> str:
        return cell.words(cell.part in self.holds)

    @property
    def interact(self) -> set[str]:
        """The experiments with both parts of a pair whose interaction is significant after Holm's correction."""
        return interacting(self.pairs)

    @property
    def hold_at_best(self) -> set[str]:
        """Parts whose difference is significant after Holm's correction when each has its best rate."""
        return hold_at_best(self.rated)

    @property
    def compared(self) -> list[Cell]:
        """The comparisons with an interval."""
        return [cell for cell in self.others if cell.difference is not None and cell.difference.low is not None]

    @property
    def repeated(self) -> list[Cell]:
        """The comparisons over two seeds or more: they say what more seeds would decide."""
        return [cell for cell in self.compared if cell.difference and cell.difference.n > 1]

    @property
    def equal_spread_p(self) -> float | None:
        """p-value of one spread for all steady parts (equal_spread.py); None without intervals."""
        if self.evidence is None:
            return None
        steady = [cell.part for cell in self.cells if cell.state == "steady" and cell.part in self.evidence.scores.rows]
        return equal_spread(self.evidence.scores, self.evidence.spread, steady)

    def relative(self, cell: Cell) -> float:
        """Operations relative to those of the cell's reference, or of the base where that was not run."""
        return cell.operations / self._reference(cell).operations

    def relative_energy(self, cell: Cell) -> float:
        """Microjoules, likewise."""
        return cell.microjoules / self._reference(cell).microjoules

    def _reference(self, cell: Cell) -> Cell:
        return next((one for one in self.cells if one.part == cell.reference), self.at_base)

    def run(self, cell: Cell) -> str:
        """The cell's experiment."""
        return f"{PREFIX}{self.name}-{cell.part}"

    def decided_by(self, seeds: int) -> float | None:
        """Points that so many seeds tell from 0 at the base's accuracy with probability POWER, median over the parts.

        None without intervals of two seeds or more.
        """
        if self.evidence is None or not self.repeated:
            return None
        scores, spread = self.evidence.scores, self.evidence.spread
        contrasts = [contrast_of(scores, {cell.part: 1, cell.reference: -1}, spread) for cell in self.repeated]
        middle = float(log_odds(self.at_base.accuracy / 100 * scores.samples, scores.samples))
        return in_points(middle, median(float(contrast.decides(seeds)) for contrast in contrasts))


def make_dataset(
    name: str,
    records: list[Record],
    declared: Mapping[str, Declared],
    hits: Mapping[str, SampleHits],
    seconds: Mapping[str, Any] | None = None,
) -> StudyDataset | None:
    """The study of one dataset; None without a record of the base.

    `hits`: what each record's per-sample answers get right (judge/answered.py), by record; `seconds`: results of
    benchmarks/study.py by dataset.
    """
    mine = [about for about in declared.values() if about.dataset == name]
    configurations = {about.experiment.removeprefix(f"{PREFIX}{name}-"): about.configuration for about in mine}
    by_part = grouped(records, name, configurations)
    if not by_part:
        return None
    single = without_rates(configurations)
    both = with_two_parts(single)
    parts = {part: records for part, records in by_part.items() if part in single and part not in both}
    evidence = compare_parts(by_part, hits, parts)
    found = cells(parts, {part: single[part] for part in single if part not in both}, evidence)
    steady = {part for part, records in by_part.items() if part in single and state_of(records) == "steady"}
    return StudyDataset(
        name=name,
        base=by_part[BASE][0],
        cells=found,
        evidence=evidence,
        holds=significant(found),
        pairs=pairs_of(single, steady, evidence) if evidence else [],
        rated=rated_parts(by_part, evidence),
        further=[cell for cell in cells(by_part, configurations, evidence) if cell.part not in parts],
        seconds=(seconds or {}).get(name, {}).get("ratios", {}),
    )


def sizes(record: Record) -> str:
    """The sizes and settings that every caption states."""
    network, training, data = record.network, record.training, record.dataset
    layers, epochs = 6 * network["blocks"] + 2, training["epochs"]
    return (
        f"{layers} layers, {network['width']} filters, T = {network['time_steps']}, "
        f"{epochs} epochs of {data['train_samples']:,} samples at rate {training['learning_rate']:g}, "
        f"{data['test_samples']:,} test samples"
    )
