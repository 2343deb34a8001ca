"""Differences between parts of the study, with one spread for all parts of a dataset: three seeds of one say little.

Accuracies are compared as log-odds, where seeds scatter about as much at 95 % as at 70 %. Those of a training are its
part's, plus its seed's, plus a rest that is taken as normal with the same deviation for all (two-way analysis of
variance, Fisher 1925). What the test samples themselves leave open is not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import fmean

import numpy as np
from scipy.special import expit, stdtr, stdtrit

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class PooledSpread:
    """How far trainings of one part scatter beyond what their seeds do to all parts."""

    deviation: float
    """Of log-odds."""
    freedom: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """first - second over the seeds that both have."""

    n: int
    """Paired seeds."""
    points: float
    """Mean difference of accuracies in percent."""
    low: float | None
    """95 % interval of it, in points; None without a spread."""
    high: float | None
    p_value: float
    """Two-sided, that the log-odds are the same; 1 without a spread."""


def log_odds(percent: float, samples: int) -> float:
    """Of an accuracy of so many samples; half a sample on either side keeps 0 and 100 % finite (Haldane 1956)."""
    correct = percent / 100 * samples
    return log((correct + 0.5) / (samples - correct + 0.5))


def spread_of(parts: Sequence[Mapping[int, float]], samples: int) -> PooledSpread | None:
    """From accuracies (percent) by seed of each part; a part that lacks a seed of the first one is left out.

    None if no two parts and two seeds remain, or if nothing scatters.
    """
    seeds = sorted(parts[0]) if parts else []
    rows = [[log_odds(one[seed], samples) for seed in seeds] for one in parts if one.keys() >= set(seeds)]
    if len(rows) < 2 or len(seeds) < 2:
        return None
    odds, freedom = np.array(rows), (len(rows) - 1) * (len(seeds) - 1)
    rest = odds - odds.mean(1, keepdims=True) - odds.mean(0, keepdims=True) + odds.mean()
    deviation = sqrt(float((rest**2).sum()) / freedom)
    return PooledSpread(deviation=deviation, freedom=freedom) if deviation > 0 else None


def in_points(middle: float, odds: float) -> float:
    """A difference of log-odds around a middle, in points; the error of the middle says nothing of the difference."""
    return 100 * float(expit(middle + odds / 2) - expit(middle - odds / 2))


def difference(
    first: Mapping[int, float], second: Mapping[int, float], samples: int, spread: PooledSpread | None
) -> PairedDifference | None:
    """Of accuracies (percent) by seed; None without a common seed."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    points, n = fmean(first[seed] - second[seed] for seed in seeds), len(seeds)
    if spread is None:
        return PairedDifference(n=n, points=points, low=None, high=None, p_value=1.0)
    above, below = (fmean(log_odds(one[seed], samples) for seed in seeds) for one in (first, second))
    odds, middle = above - below, (above + below) / 2
    error = spread.deviation * sqrt(2 / n)
    reach = float(stdtrit(spread.freedom, (1 + LEVEL) / 2)) * error
    low, high = (in_points(middle, end) for end in (odds - reach, odds + reach))
    p_value = 2 * float(stdtr(spread.freedom, -abs(odds) / error))
    return PairedDifference(n=n, points=points, low=low, high=high, p_value=p_value)


def beyond_chance(p_values: Mapping[str, float]) -> set[str]:
    """The names that stay at 5 % for all of them together (Holm 1979)."""
    found: set[str] = set()
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value * (len(p_values) - place) > 0.05:
            break
        found.add(name)
    return found
