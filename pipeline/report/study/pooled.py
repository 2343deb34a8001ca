"""Differences between parts of the study: over seeds and test samples together, with one spread over seeds for all
parts of a dataset, since each has few seeds.

Accuracies are compared as log-odds. Those of a training on the test samples at hand are an effect of its part, plus an
effect of its seed, plus two residuals:

- of the seed: normal, with one deviation for all trainings; the variance that is left in a two-way analysis of
  variance (Fisher 1925), less what the test samples add to it;
- of the test samples: its covariance between any two trainings follows from the samples that both classify correctly
  (delta method, paired like McNemar's test), so that samples that are hard for both cancel in a difference.

The variance of a difference is the sum of both, with Satterthwaite's degrees of freedom (1946). A bootstrap over seeds
and samples (Owen 2007, The pigeonhole bootstrap) estimates the same from a part's own three seeds, and covers less
often: `python -m benchmarks.study_intervals` simulates both. Everything here follows from counts, so it needs no random
numbers. Shapes: J trainings, N test samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri, stdtr, stdtrit

from pipeline.judge.equivalence import Floats

LEVEL = 0.95
POWER = 0.8
"""Probability with which a stated number of seeds decides."""
MOST_SEEDS = 100
"""Upper limit of the number of seeds that is stated as needed."""
LEAST_FREEDOM = 4
"""Smallest degrees of freedom of a spread that were simulated; with fewer, intervals hold less often than they say."""
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Trainings that were scored on the same test samples."""

    samples: int
    rows: Mapping[str, Mapping[int, int]]
    """Index of each training, by part and seed."""
    correct: npt.NDArray[np.int64]
    """(J,)"""
    odds: Floats
    """Log-odds of a correct answer, (J,)."""
    covariance: Floats
    """Of the log-odds, over the choice of the test samples, (J, J)."""

    def common(self, *parts: str) -> list[list[int]]:
        """Rows of each part for the seeds that all of them have."""
        seeds = sorted(set.intersection(*(set(self.rows[part]) for part in parts)))
        return [[self.rows[part][seed] for seed in seeds] for part in parts]


@dataclass(frozen=True, kw_only=True)
class PooledSpread:
    """Residual spread of trainings over seeds, after removing the effects of part and seed."""

    total: float
    """Variance of log-odds on one choice of test samples."""
    seeds: float
    """The part of it that is not due to the test samples, 0 if they explain all of it."""
    freedom: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """first - second, over their common seeds."""

    n: int
    """Number of common seeds."""
    points: float
    """Difference of the mean accuracies (percentage points)."""
    low: float | None
    """95 % interval (points) of the mean log-odds' difference, which may have another sign; None without a spread."""
    high: float | None
    p_value: float
    """Two-sided, for equal log-odds; 1 without a spread."""
    seeds_needed: int | None = None
    """Number of seeds that would decide it; None if more than MOST_SEEDS, with one seed, or without an interval."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Variance of a difference of mean log-odds by the number of seeds m: each_seed / m + samples."""

    n: int
    """Number of seeds that it was estimated from."""
    each_seed: float
    """Variance that more seeds reduce: spread over seeds, and answers that differ between seeds."""
    samples: float
    """Variance that only more test samples reduce."""
    pooled: float
    """Spread of one seed from PooledSpread.total, whose error has `freedom` degrees of freedom."""
    freedom: int
    sample_count: int

    def variance(self, seeds: npt.ArrayLike) -> Floats:
        least = 1e-9 * self.pooled / np.asarray(seeds)  # of two parts that answer alike
        return np.maximum(self.each_seed / np.asarray(seeds) + self.samples, least)

    def degrees(self, seeds: npt.ArrayLike) -> Floats:
        """Satterthwaite's degrees of freedom, capped at those that the spread would give alone."""
        share = np.minimum(self.pooled / np.asarray(seeds) / self.variance(seeds), 1.0)
        return np.asarray(1 / (share**2 / self.freedom + 1 / (self.sample_count - 1)), dtype=float)

    def decides(self, seeds: npt.ArrayLike) -> Floats:
        """Smallest true difference of log-odds that so many seeds tell from 0 with probability POWER."""
        quantile = stdtrit(self.degrees(seeds), (1 + LEVEL) / 2) + float(ndtri(POWER))
        return np.asarray(quantile * np.sqrt(self.variance(seeds)), dtype=float)

    def seeds_needed(self, odds: float) -> int | None:
        """The smallest number of seeds that decides a true difference of log-odds.

        None if more than MOST_SEEDS, or estimated from one seed, which does not tell what seeds reduce.
        """
        more = np.arange(self.n + 1, MOST_SEEDS + 1)
        enough = np.flatnonzero(self.decides(more) <= abs(odds))
        return int(more[enough[0]]) if len(enough) and self.n > 1 else None


def scores_of(hits: Mapping[str, Mapping[int, Bools]]) -> Scores:
    """Scores from which samples each training classifies correctly, (N,) in the same order, by part and seed."""
    numbers = count()
    rows = {part: {seed: next(numbers) for seed in own} for part, own in hits.items()}
    table = np.array([each for own in hits.values() for each in own.values()], dtype=np.float64)  # their sums are exact
    samples, both = table.shape[1], table @ table.T
    correct = np.diagonal(both)
    counted = both + (1 + np.eye(len(both))) / 4  # with Haldane's half sample on either side, drawn independently
    right, size = np.diagonal(counted), samples + 1
    each = (size * counted - np.outer(right, right)) / (size**2 * (size - 1))
    shares = right / size
    slopes = 1 / (shares * (1 - shares))
    return Scores(
        samples=samples,
        rows=rows,
        correct=correct.astype(np.int64),
        odds=log_odds(correct, samples),
        covariance=each * np.outer(slopes, slopes),
    )


def log_odds(correct: npt.ArrayLike, samples: int) -> Floats:
    """Log-odds of counts; adding half a sample on either side keeps 0 and all finite (Haldane 1956)."""
    counts = np.asarray(correct, dtype=np.float64)
    return np.asarray(np.log((counts + 0.5) / (samples - counts + 0.5)))


def spread_of(scores: Scores, parts: Sequence[str]) -> PooledSpread | None:
    """The pooled spread of these parts, which may have different seeds.

    None if it is 0, or if too little is left over for it: fewer than LEAST_FREEDOM degrees of freedom.
    """
    rows, left = left_over(scores, parts)
    if (freedom := round(np.trace(left))) < LEAST_FREEDOM:
        return None
    total = float(scores.odds[rows] @ left @ scores.odds[rows]) / freedom
    noise = float((left * scores.covariance[np.ix_(rows, rows)]).sum()) / freedom
    if total <= np.finfo(float).eps:
        return None
    return PooledSpread(total=total, seeds=max(total - noise, 0.0), freedom=freedom)


def left_over(scores: Scores, parts: Sequence[str]) -> tuple[list[int], Floats]:
    """Rows of the parts' trainings; the projection on what effects of part and seed do not explain, (rows, rows)."""
    chosen = [(part, seed) for part in parts for seed in scores.rows[part]]
    rows, seeds = [scores.rows[part][seed] for part, seed in chosen], sorted({seed for _, seed in chosen})
    effects = [[part == name for name in parts] + [seed == one for one in seeds] for part, seed in chosen]
    design = np.array(effects, dtype=np.float64).reshape(len(rows), -1)
    basis, sizes, _ = np.linalg.svd(design, full_matrices=False)
    explained = basis[:, sizes > 1e-9]
    return rows, np.eye(len(rows)) - explained @ explained.T


def in_points(middle: float, odds: float) -> float:
    """A difference of log-odds around a middle, in points; the uncertainty of the middle is ignored."""
    return 100 * float(expit(middle + odds / 2) - expit(middle - odds / 2))


def difference(scores: Scores, first: str, second: str, spread: PooledSpread) -> PairedDifference | None:
    """Difference of two parts with its interval; None without a common seed."""
    rows = scores.common(first, second)
    if not (n := len(rows[0])):
        return None
    above, below = (float(scores.odds[own].mean()) for own in rows)
    odds, contrast = above - below, contrast_of(scores, {first: 1, second: -1}, spread)
    error, freedom = sqrt(float(contrast.variance(n))), float(contrast.degrees(n))
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    low, high = (in_points((above + below) / 2, end) for end in (odds - reach, odds + reach))
    return PairedDifference(
        n=n,
        points=100 * float(scores.correct[rows[0]].mean() - scores.correct[rows[1]].mean()) / scores.samples,
        low=low,
        high=high,
        p_value=2 * float(stdtr(freedom, -abs(odds) / error)),
        seeds_needed=contrast.seeds_needed(odds) if low <= 0 <= high else None,
    )


def contrast_of(scores: Scores, weights: Mapping[str, int], spread: PooledSpread) -> Contrast:
    """How the variance of a weighted sum of parts falls with the number of seeds; the parts have a common seed."""
    rows, weight = np.array(scores.common(*weights)), np.array(list(weights.values()))
    n = rows.shape[1]
    table = np.einsum("p,q,psqt->st", weight, weight, scores.covariance[rows][:, :, rows])  # (n, n)
    total, between = float(table.sum()) / n**2, float(table.sum() - np.trace(table)) / max(n * (n - 1), 1)
    samples = min(max(between, 0.0), total)
    size = float(weight @ weight)
    return Contrast(
        n=n,
        each_seed=size * spread.seeds + n * (total - samples),
        samples=samples,
        pooled=size * spread.total,
        freedom=spread.freedom,
        sample_count=scores.samples,
    )


def beyond_chance(p_values: Mapping[str, float]) -> set[str]:
    """The names that are significant at a family-wise level of 5 % (Holm 1979)."""
    found: set[str] = set()
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value * (len(p_values) - place) > 0.05:
            break
        found.add(name)
    return found
