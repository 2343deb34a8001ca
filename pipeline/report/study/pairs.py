"""Pairs of parts: whether one is worth as much with the other as without it.

Two experiments that change one part each, a third that changes both, and the base: a 2 x 2 factorial. The interaction
is the effect of the one part with the other, less its effect without, in log-odds; its variance follows from all four
as that of a difference does from two (pooled.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

from scipy.special import stdtr

from pipeline.report.study.grid import BASE, CellConfiguration, Compared
from pipeline.report.study.pooled import PairedDifference, PooledSpread, Scores, beyond_chance, contrast_of, difference


@dataclass(frozen=True, kw_only=True)
class PartPair:
    """A part's effect without and with another one."""

    part: str
    other: str
    both: str
    """The experiment with both."""
    without: PairedDifference
    """part - base."""
    beside: PairedDifference
    """both - other."""
    p_value: float
    """Two-sided, for no interaction."""


def pairs_of(configurations: Mapping[str, CellConfiguration], steady: set[str], evidence: Compared) -> list[PartPair]:
    """The pairs whose four experiments are steady and have a common seed."""
    scores = evidence.scores
    named = [names for names in _factorials(configurations) if {BASE, *names} <= steady & scores.rows.keys()]
    return [_pair(*names, evidence) for names in named if scores.common(BASE, *names)[0]]


def interacting(pairs: list[PartPair]) -> set[str]:
    """The experiments with both parts whose interaction is significant, corrected for all pairs of a dataset."""
    return beyond_chance({pair.both: pair.p_value for pair in pairs})


def with_two_parts(configurations: Mapping[str, CellConfiguration]) -> set[str]:
    """The experiments that change exactly what two others change: they belong to a pair and are no part."""
    return {both for _, _, both in _factorials(configurations)}


def _factorials(configurations: Mapping[str, CellConfiguration]) -> Iterator[tuple[str, str, str]]:
    """Names of two parts, and of the experiment that changes exactly what the two change."""
    base = configurations[BASE]
    changes = {
        name: {key: value for key, value in values.items() if value != base[key]}
        for name, values in configurations.items()
        if values != base
    }
    for first, second in combinations(changes, 2):
        if changes[first].keys().isdisjoint(changes[second]):
            both = changes[first] | changes[second]
            yield from ((first, second, name) for name, changed in changes.items() if changed == both)


def _pair(part: str, other: str, both: str, evidence: Compared) -> PartPair:
    scores, spread = evidence.scores, evidence.spread
    without, beside = (difference(scores, *names, spread) for names in ((part, BASE), (both, other)))
    assert without, "pairs_of asks for a common seed"
    assert beside, "pairs_of asks for a common seed"
    return PartPair(
        part=part,
        other=other,
        both=both,
        without=without,
        beside=beside,
        p_value=interaction_p_value(scores, (BASE, part, other, both), spread),
    )


def interaction_p_value(scores: Scores, named: tuple[str, str, str, str], spread: PooledSpread) -> float:
    """Two-sided, for no interaction in log-odds; `named` are the base, two parts, and both."""
    weights = dict(zip(named, (1, -1, -1, 1), strict=True))
    contrast, rows = contrast_of(scores, weights, spread), scores.common(*weights)
    odds = sum(weight * float(scores.odds[own].mean()) for weight, own in zip(weights.values(), rows, strict=True))
    return 2 * float(stdtr(contrast.degrees(contrast.n), -abs(odds) / sqrt(float(contrast.variance(contrast.n)))))
