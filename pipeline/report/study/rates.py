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
FACTORS = {SLOW: 1 / 3, "": 1.0, FAST: 3.0}
"""Of the learning rate, by ending."""


NO_RECORD = "no record"
"""Of a rate at which nothing ran, or every loss stopped being a number."""


@dataclass(frozen=True, kw_only=True)
class RatedPart:
    """A part at several learning rates."""

    part: str
    experiments: dict[float, str]
    """Names without prefix and dataset, by rate, rising."""
    accuracies: dict[float, float | str]
    """Mean over the seeds (percent) by rate, or why there is none: such a rate is not chosen."""
    difference: PairedDifference | None
    """At its best rate, to the base at the base's best; None for the base, and where nothing trains."""

    @property
    def best(self) -> float | None:
        """The rate with the highest accuracy on the test samples; None where nothing trains."""
        found = {rate: value for rate, value in self.accuracies.items() if not isinstance(value, str)}
        return max(found, key=found.__getitem__, default=None)

    @property
    def own_is_best(self) -> bool:
        """Whether the best rate is the reference's."""
        return self.best is not None and self.experiments[self.best] == self.part


def without_rates(by_part: Mapping[str, OfPart]) -> dict[str, OfPart]:
    """What belongs to the parts at their reference's rate."""
    return {part: value for part, value in by_part.items() if not part.endswith((SLOW, FAST))}


def rated_parts(by_part: Mapping[str, list[Record]], evidence: Compared | None) -> list[RatedPart]:
    """The parts that ran at another rate too, the base first; empty unless the base did and trains at one of them."""
    parts = {part.removesuffix(ending) for part in by_part for ending in (SLOW, FAST) if part.endswith(ending)}
    if BASE not in parts or BASE not in by_part:
        return []
    seeds = {record.seed for record in by_part[BASE]}
    base, *others = (_rated(part, by_part, seeds) for part in sorted(parts, key=lambda part: (part != BASE, part)))
    if base.best is None:
        return []
    at_best = base.experiments[base.best]
    return [base, *sorted((_compared(one, at_best, evidence) for one in others), key=_order)]


def hold_at_best(rated: list[RatedPart]) -> set[str]:
    """The parts whose difference at the best rates is significant, corrected for all of them."""
    found = {one.part: one.difference for one in rated}
    return beyond_chance({part: one.p_value for part, one in found.items() if one})


def _rated(part: str, by_part: Mapping[str, list[Record]], seeds: set[int]) -> RatedPart:
    own = _rate_of(part, by_part)
    tried = {float(f"{own * factor:.6g}"): part + ending for ending, factor in FACTORS.items()}
    return RatedPart(
        part=part,
        experiments=tried,
        accuracies={rate: _accuracy(by_part.get(name, []), seeds) for rate, name in tried.items()},
        difference=None,
    )


def _rate_of(part: str, by_part: Mapping[str, list[Record]]) -> float:
    """The rate at its reference, also if every loss stopped being a number there."""
    ending = next(ending for ending in ("", SLOW, FAST) if by_part.get(part + ending))
    return float(by_part[part + ending][0].training["learning_rate"]) / FACTORS[ending]


def _accuracy(records: list[Record], seeds: set[int]) -> float | str:
    """The mean, or why there is none; a seed that is missing may have diverged."""
    if not records:
        return NO_RECORD
    found = accuracies_of(records)
    if missing := seeds - found.keys():
        return f"{len(seeds) - len(missing)} of {len(seeds)} seeds"
    return fmean(found.values()) if (state := state_of(records)) == "steady" else state


def _compared(one: RatedPart, base_at_best: str, evidence: Compared | None) -> RatedPart:
    if evidence is None or one.best is None:
        return one
    names = one.experiments[one.best], base_at_best
    if any(name not in evidence.scores.rows for name in names):
        return one
    return replace(one, difference=difference(evidence.scores, *names, evidence.spread))


def _order(one: RatedPart) -> float:
    return -one.difference.points if one.difference else float("inf")
