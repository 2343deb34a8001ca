"""Whether the parts of a dataset spread alike over seeds, as pooled.py assumes: a parametric bootstrap."""

from collections.abc import Sequence

import numpy as np

from pipeline.judge.equivalence import Floats
from pipeline.report.study.pooled import PooledSpread, Scores, left_over

DRAWS = 10_000


def equal_spread(scores: Scores, spread: PooledSpread, parts: Sequence[str]) -> float:
    """p-value of one spread for all these parts, from draws of the model with it (with a fixed seed)."""
    rows, left = left_over(scores, parts)
    sizes = [len(scores.rows[part]) for part in parts]
    means = np.repeat(np.eye(len(parts)), sizes, axis=1) / np.array(sizes)[:, None]
    covariance = spread.seeds * np.eye(len(rows)) + scores.covariance[np.ix_(rows, rows)]
    lengths, directions = np.linalg.eigh(covariance)
    root = directions * np.sqrt(np.maximum(lengths, 0))
    drawn = np.random.default_rng(0).standard_normal((DRAWS, len(rows))) @ root.T
    seen, expected = (unevenness(odds @ left, means) for odds in (scores.odds[rows], drawn))
    return float((1 + np.sum(expected >= seen)) / (1 + DRAWS))


def unevenness(residuals: Floats, means: Floats) -> Floats:
    """Coefficient of variation of the parts' mean squares.

    Shapes: residuals (..., J); means, which average over a part, (parts, J).
    """
    squares = residuals**2 @ means.T
    return np.asarray(squares.std(axis=-1) / squares.mean(axis=-1))
