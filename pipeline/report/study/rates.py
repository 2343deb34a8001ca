"""Each part at its own learning rate: a part that is worse at its reference's rate may only want another one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

from pipeline.evaluate.record import Record
from pipeline.report.study.grid import BASE, Compared, accuracies_of, state_of
from pipeline.report.study.pooled import PairedDifference, beyond_chance, difference

OfPart = TypeVar("OfPart")
SLOW, FAST = "-slow", "-fast"
"""Endings of the names of experiments that differ from a part in the learning rate only (profiles/study-rates.yaml)."""


@dataclass(frozen=True, kw_only=True)
class RatedPart:
    """A part at several learning rates."""

    part: str
    experiments: dict[float, str]
    """Names without prefix and dataset, by rate, rising."""
    accuracies: dict[float, float | None]
    """Mean over the seeds (percent), by rate; None where trainings failed (grid.state_of)."""
    difference: PairedDifference | None
    """At its best rate, to the base at the base's best; None for the base, and where nothing trains."""

    @property
    def best(self) -> float | None:
        """The rate with the highest accuracy on the test samples; None where nothing trains."""
        found = {rate: value for rate, value in self.accuracies.items() if value is not None}
        return max(found, key=found.__getitem__, default=None)


def without_rates(by_part: Mapping[str, OfPart]) -> dict[str, OfPart]:
    """What belongs to the parts at their reference's rate."""
    return {part: value for part, value in by_part.items() if not part.endswith((SLOW, FAST))}


def rated_parts(by_part: Mapping[str, list[Record]], evidence: Compared | None) -> list[RatedPart]:
    """The parts that ran at all three rates, the base first; empty unless it trains at one of them."""
    parts = [part for part in without_rates(by_part) if {part + SLOW, part + FAST} <= by_part.keys()]
    if BASE not in parts or (base := _rated(BASE, by_part)).best is None:
        return []
    others = [_compared(_rated(part, by_part), base, evidence) for part in parts if part != BASE]
    return [base, *sorted(others, key=_order)]


def hold_at_best(rated: list[RatedPart]) -> set[str]:
    """The parts whose difference at the best rates is significant, corrected for all of them."""
    found = {one.part: one.difference for one in rated}
    return beyond_chance({part: one.p_value for part, one in found.items() if one})


def _rated(part: str, by_part: Mapping[str, list[Record]]) -> RatedPart:
    tried = {float(by_part[name][0].training["learning_rate"]): name for name in (part + SLOW, part, part + FAST)}
    experiments = dict(sorted(tried.items()))
    return RatedPart(
        part=part,
        experiments=experiments,
        accuracies={rate: _accuracy(by_part[name]) for rate, name in experiments.items()},
        difference=None,
    )


def _accuracy(records: list[Record]) -> float | None:
    return fmean(accuracies_of(records).values()) if state_of(records) == "steady" else None


def _compared(one: RatedPart, base: RatedPart, evidence: Compared | None) -> RatedPart:
    if evidence is None or one.best is None or base.best is None:
        return one
    names = one.experiments[one.best], base.experiments[base.best]
    if any(name not in evidence.scores.rows for name in names):
        return one
    found = difference(evidence.scores, *names, evidence.spread)
    return replace(one, difference=found)


def _order(one: RatedPart) -> float:
    return -one.difference.points if one.difference else float("inf")
