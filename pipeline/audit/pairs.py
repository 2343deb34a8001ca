"""Which of two configurations is better: differences of trainings with the same seed, and an interval for their mean.

A seed draws the weights and the order of the samples, so what it does to both drops out of the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.special import stdtr, stdtrit

ROUNDING = 1e-9
"""Points. Accuracies are counts: differences that agree so far are the same count, and chance looks like certainty."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The mean of first - second over seeds that both have."""

    seeds: list[int]
    mean: float
    """Points, where accuracies in percent were given."""
    low: float | None
    """Student's t interval; None where there is no spread: for one pair, or if all differ by the same."""
    high: float | None
    level: float
    """Of the interval, for example 0.95."""

    @property
    def n(self) -> int:
        return len(self.seeds)

    @property
    def p_value(self) -> float:
        """Two-sided, of Student's test that the mean is 0; 1 without an interval."""
        if self.high is None:
            return 1.0
        quantile = float(stdtrit(self.n - 1, (1 + self.level) / 2))
        error = (self.high - self.mean) / quantile
        return 2 * float(stdtr(self.n - 1, -abs(self.mean) / error))

    def words(self, first: str, second: str) -> str:
        """What the pairs say of the order, and no more."""
        start = f"{first} - {second}: {self.mean:+.2f} points"
        if self.low is None or self.high is None:
            return f"{start}, {self.n} pair(s) without spread: no interval, the order is open"
        interval = (
            f"{start} [{self.low:+.2f}, {self.high:+.2f}], {self.n} paired seeds, {100 * self.level:g} % interval"
        )
        if self.low > 0:
            return f"{interval} above 0: {first} is ahead"
        if self.high < 0:
            return f"{interval} below 0: {second} is ahead"
        return f"{interval} with 0 in it: the order is open"


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], *, level: float = 0.95
) -> PairedDifference:
    """The mean difference first - second of values by seed. Raises ValueError without a common seed."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        raise ValueError(f"no common seed: {sorted(first)} and {sorted(second)}")
    differences = [first[seed] - second[seed] for seed in seeds]
    mean, n = fmean(differences), len(differences)
    if n == 1 or max(differences) - min(differences) < ROUNDING:
        return PairedDifference(seeds=seeds, mean=mean, low=None, high=None, level=level)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * stdev(differences) / sqrt(n)
    return PairedDifference(seeds=seeds, mean=mean, low=mean - reach, high=mean + reach, level=level)
