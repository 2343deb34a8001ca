"""Confidence interval of an accuracy."""

from math import sqrt

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


def wilson(correct: int, samples: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion, in percent.

    It stays within 0 to 100 and keeps its coverage near the ends, where accuracies are. It covers the choice of test
    samples, not of seeds. Wilson 1927, doi 10.1080/01621459.1927.10502953. Raises ValueError.
    """
    if not 0 <= correct <= samples or samples == 0:
        raise ValueError(f"{correct} correct of {samples} samples is not a proportion")
    share, weight = correct / samples, Z95**2 / samples
    centre = share + weight / 2
    reach = Z95 * sqrt(share * (1 - share) / samples + weight / (4 * samples))
    low, high = (centre - reach) / (1 + weight), (centre + reach) / (1 + weight)
    return 100 * max(low, 0.0), 100 * min(high, 1.0)


def percent(correct: int, samples: int) -> float:
    """A proportion in percent."""
    return 100 * correct / samples
