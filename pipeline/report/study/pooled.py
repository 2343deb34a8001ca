"""Differences between parts of the study, with the spread pooled over all parts of a dataset, since each has few seeds.

Accuracies are compared as log-odds, whose spread over seeds is about the same at 95 % as at 70 %. The log-odds of a
training are modelled as an effect of its part, plus an effect of its seed, plus a normal residual with the same
deviation for all (two-way analysis of variance, Fisher 1925). The uncertainty due to the test samples is not included.
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
    """Residual spread of trainings, after removing the effects of part and seed."""

    deviation: float
    """Standard deviation of log-odds."""
    freedom: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """first - second, over their common seeds."""

    n: int
    """Number of common seeds."""
    points: float
    """Mean difference of accuracies (percentage points)."""
    low: float | None
    """95 % interval (points); None without a spread."""
    high: float | None
    p_value: float
    """Two-sided, for equal log-odds; 1 without a spread."""


def log_odds(percent: float, samples: int) -> float:
    """Log-odds of an accuracy; adding half a sample on either side keeps 0 and 100 % finite (Haldane 1956)."""
    correct = percent / 100 * samples
    return log((correct + 0.5) / (samples - correct + 0.5))


def spread_of(parts: Sequence[Mapping[int, float]], samples: int) -> PooledSpread | None:
    """The pooled spread of accuracies (percent), given by part and seed; parts without all seeds of the first are left
    out.

    None with fewer than two parts or two seeds, or if the spread is 0.
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
    """A difference of log-odds around a middle, in points; the uncertainty of the middle is ignored."""
    return 100 * float(expit(middle + odds / 2) - expit(middle - odds / 2))


def difference(
    first: Mapping[int, float], second: Mapping[int, float], samples: int, spread: PooledSpread | None
) -> PairedDifference | None:
    """Difference of accuracies (percent) by seed; None without a common seed."""
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
    """The names that are significant at a family-wise level of 5 % (Holm 1979)."""
    found: set[str] = set()
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value * (len(p_values) - place) > 0.05:
            break
        found.add(name)
    return found
