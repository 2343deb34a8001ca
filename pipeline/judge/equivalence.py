"""Equivalence tests of measured accuracies against a claimed one, over test samples and seeds together.

Letters: n seeds, N test samples. Arrays may have axes before the seeds, one entry per experiment;
benchmarks/verdict_rates.py uses this for simulated experiments. docs/verdicts.md describes the model, its reasons and
its error rates.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

ALPHA = 0.05
"""Error rate of each one-sided test; two make a 90 % interval (Schuirmann 1987, doi 10.1007/BF01068419)."""
CHANCE = 0.8
"""Probability with which the stated number of needed seeds decides."""
MOST_NEEDED_SEEDS, MOST_NEEDED_SAMPLES = 100, 1_000_000
"""Upper limits of what is stated as needed."""

Floats = npt.NDArray[np.float64]
Verdicts = npt.NDArray[Any]
"""Verdicts of an interval, named as in verdicts.py."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The spread over seeds as known from earlier trainings of the same configuration."""

    sd: float | Floats
    """Standard deviation of the accuracy (points)."""
    trainings: int
    known: int = 0
    """How many of these trainings are judged too: the first counts of an experiment. Their spread counts once."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A claimed value, the margin within which a number counts as the same, and the rounding error of the value."""

    value: float
    margin: float
    precision: float

    @property
    def inner(self) -> tuple[float, float]:
        """The range within the margin of every number that rounds to the printed value."""
        reach = self.margin - self.precision
        return self.value - reach, self.value + reach

    @property
    def outer(self) -> tuple[float, float]:
        """The range within the margin of at least one number that rounds to the printed value."""
        reach = self.margin + self.precision
        return self.value - reach, self.value + reach


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Seeds or test samples that would decide; None if none up to the upper limits does."""

    seeds: int | None
    """Total number of seeds, on the same test samples."""
    samples: int | None
    """Test samples with MOST_NEEDED_SEEDS seeds, rounded up; given only if seeds alone do not decide."""


def interval(correct: Floats, samples: int, earlier: Earlier | None = None) -> tuple[Floats, Floats]:
    """90 % interval (percent) of the mean accuracy over seeds and test samples, from counts (..., n).

    For one seed without an earlier spread: Clopper and Pearson's exact interval, which excludes the spread over seeds.
    """
    mean = np.mean(correct, axis=-1)
    sd, freedom = _spread(correct, samples, earlier)
    seeds = _quantile(freedom) * sd / np.sqrt(np.shape(correct)[-1])
    return _combined(100 * mean / samples, samples, seeds)


def decide(correct: Floats, samples: int, goal: Goal, earlier: Earlier | None = None) -> Verdicts:
    """One verdict per experiment, from counts (..., n)."""
    low, high = interval(correct, samples, earlier)
    if np.shape(correct)[-1] == 1 and earlier is None:
        return np.full(np.shape(low), "UNDERPOWERED")
    return interval_verdicts(low, high, goal)


def interval_verdicts(low: Floats, high: Floats, goal: Goal) -> Verdicts:
    """One verdict per interval: inside the margin for all values that round to the printed one, outside for all, or
    neither."""
    inside = (goal.inner[0] <= low) & (high <= goal.inner[1])
    below, above = high < goal.outer[0], low > goal.outer[1]
    return np.select([inside, below, above], ["REPRODUCED", "BELOW", "ABOVE"], "UNDERPOWERED")


def paired_interval(differences: Floats) -> tuple[Floats, Floats]:
    """Student's 90 % interval of the mean of paired differences (..., n), n of 2 or more."""
    n = np.shape(differences)[-1]
    mean, sd = np.mean(differences, axis=-1), np.std(differences, axis=-1, ddof=1)
    reach = _quantile(n - 1) * sd / np.sqrt(n)
    return mean - reach, mean + reach


def decide_larger(differences: Floats, margin: float) -> Verdicts:
    """One verdict per experiment on "larger by more than the margin", from paired differences (..., n)."""
    low, high = paired_interval(differences)
    return np.select([low > margin, high < margin], ["REPRODUCED", "BELOW"], "UNDERPOWERED")


def needed(correct: Floats, samples: int, goal: Goal, earlier: Earlier | None = None) -> Needed:
    """Seeds or test samples that would decide one experiment of counts (n,), if its mean and spread do not change.

    The seeds decide with probability CHANCE or more: their mean leaves its two-sided 90 % bounds in one case of ten,
    their spread exceeds its 90 % quantile in one of ten, and in all other cases there is a verdict.
    """
    sd, freedom = _spread(correct, samples, earlier)
    estimate, n = 100 * float(np.mean(correct)) / samples, np.shape(correct)[-1]
    more = np.arange(n + 1, MOST_NEEDED_SEEDS + 1)
    if (seeds := _first(more, _will_decide(estimate, samples, sd, freedom + more - n, more, goal))) is not None:
        return Needed(seeds=seeds, samples=None)
    sizes = np.unique(np.geomspace(samples, max(MOST_NEEDED_SAMPLES, samples), 500).round())
    most = max(MOST_NEEDED_SEEDS, n)
    will = _will_decide(estimate, sizes, sd, np.full(sizes.shape, freedom + most - n), np.array(most), goal)
    size = _first(sizes, will)
    return Needed(seeds=None, samples=None if size is None else _round_up(size))


def _round_up(number: int) -> int:
    """The number rounded up to two digits."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // unit) * unit


def _will_decide(
    estimate: float,
    samples: int | Floats,
    sd: Floats,
    freedom: npt.NDArray[np.int64],
    seeds: npt.NDArray[np.int64],
    goal: Goal,
) -> npt.NDArray[np.bool_]:
    """Whether intervals decide even at the bounds of the mean and with a spread at its upper quantile."""
    wide = sd * np.sqrt(special.chdtri(freedom, (1 - CHANCE) / 2) / freedom)
    strays = special.ndtri(1 - (1 - CHANCE) / 4) * sd / np.sqrt(seeds)
    low, high = _combined(np.full(freedom.shape, estimate), samples, _quantile(freedom) * wide / np.sqrt(seeds))
    return np.asarray(interval_verdicts(low - strays, high + strays, goal) != "UNDERPOWERED")


def clopper_pearson(correct: Floats, samples: int | Floats) -> tuple[Floats, Floats]:
    """Exact 90 % interval of a proportion, in percent (1934, doi 10.1093/biomet/26.4.404).

    The count may be a mean and need not be whole; the limits are continuous between whole counts.
    """
    none, every = np.less_equal(correct, 0), np.greater_equal(correct, samples)
    low = special.betaincinv(np.where(none, 1.0, correct), samples - correct + 1, ALPHA)
    high = special.betaincinv(correct + 1, np.where(every, 1.0, samples - correct), 1 - ALPHA)
    return 100 * np.where(none, 0.0, low), 100 * np.where(every, 1.0, high)


def _combined(estimate: Floats, samples: int | Floats, seeds: Floats) -> tuple[Floats, Floats]:
    """Limits whose distance from the estimate is the root of the sum of the squared distances of test samples and
    seeds."""
    low, high = clopper_pearson(estimate * samples / 100, samples)
    below, above = np.hypot(estimate - low, seeds), np.hypot(high - estimate, seeds)
    return np.maximum(estimate - below, 0.0), np.minimum(estimate + above, 100.0)


def _spread(correct: Floats, samples: int, earlier: Earlier | None) -> tuple[Floats, int]:
    """Standard deviation over seeds (points) and its degrees of freedom, pooled over these seeds and earlier ones."""
    accuracy = 100 * np.asarray(correct) / samples
    if earlier is None:
        squares, freedom = _squares(accuracy)
    else:
        squares, freedom = _squares(accuracy[..., earlier.known :])
        squares = squares + (earlier.trainings - 1) * np.square(earlier.sd)
        freedom += earlier.trainings - 1
    return np.sqrt(squares / max(freedom, 1)), freedom


def _squares(accuracy: Floats) -> tuple[Floats, int]:
    """Sum of squared deviations from the mean over seeds, and its degrees of freedom."""
    if accuracy.shape[-1] < 2:
        return np.zeros(accuracy.shape[:-1]), 0
    return np.sum((accuracy - np.mean(accuracy, axis=-1, keepdims=True)) ** 2, axis=-1), accuracy.shape[-1] - 1


def _quantile(freedom: int | npt.NDArray[np.int64]) -> Floats:
    """Student's one-sided quantile; 0 without degrees of freedom, when the spread is unknown."""
    return np.where(np.asarray(freedom) > 0, special.stdtrit(np.maximum(freedom, 1), 1 - ALPHA), 0.0)


def _first(values: npt.NDArray[np.generic], good: npt.NDArray[np.bool_]) -> int | None:
    """The first value such that it and all later ones are good; None if there is none."""
    if not good.size or not good[-1]:
        return None
    bad = np.flatnonzero(~good)
    return int(values[bad[-1] + 1 if len(bad) else 0])
