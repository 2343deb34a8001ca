"""A trend over small runs, and what it predicts for a setting that was not run: always EXTRAPOLATED.

Of each run the logit of its error, y = log(wrong + 1/2) - log(right + 1/2), is taken as linear in a function of the
setting x: log x (the error falls without end), or 1/sqrt(x) or 1/x (it comes to rest at a floor). Two parameters each.
No small number of points decides between such forms, so a form is dropped only where the points clearly speak against
it, and the prediction interval for one more run is the hull of the t intervals of the others; the estimate is that of
the best form. The interval is for the same test samples: what another choice of them would do is not in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import expit, fdtrc, stdtrit

from pipeline.errors import InputError

FORMS: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "log x": np.log,
    "1/sqrt(x)": lambda x: 1 / np.sqrt(x),
    "1/x": lambda x: 1 / x,
}
SUPPORTED = 12.0
"""Greatest n log(sum of squares / smallest) of a form that is kept: a likelihood ratio at 0.05 %. At 5 % the intervals
held 81 to 98 % of simulated runs instead of 95 %, at this 94 to 99 % (docs/oracle.md)."""
LEAST_SETTINGS, LEAST_RUNS = 3, 4
ROUNDING = 1e-12
"""A sum of squares that is nothing else."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run."""

    x: float
    """Its setting, above 0."""
    wrong: int
    samples: int
    run: str


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A prediction; accuracies in percent."""

    at: float
    estimate: float
    low: float
    high: float
    level: float
    """Of the interval (percent)."""
    runs: list[str]
    form: str
    """What was fitted, in words."""
    lies: bool
    """Whether the settings' means lie on the trend as far as the spread of seeds tells; true where no setting was run
    twice."""

    def words(self) -> str:
        text = (
            f"EXTRAPOLATED to {self.at:g}: {self.estimate:.2f} % [{self.low:.2f}, {self.high:.2f}] "
            f"({self.level:g} % prediction interval for one run, {len(self.runs)} runs, {self.form})"
        )
        return text if self.lies else text + "; the points lie on no such trend, so the interval is too narrow"


@dataclass(frozen=True, kw_only=True)
class _Fit:
    form: str
    squares: float
    middle: float
    reach: float


def extrapolate(points: Sequence[Point], at: float, *, level: float = 95.0) -> Trend:
    """What the points predict for one run at the setting `at`. Raises InputError for too few points."""
    settings = {point.x for point in points}
    if len(settings) < LEAST_SETTINGS or len(points) < LEAST_RUNS:
        raise InputError(
            f"{len(points)} run(s) at {len(settings)} setting(s): a trend needs {LEAST_RUNS} runs at "
            f"{LEAST_SETTINGS} settings"
        )
    if min(settings) <= 0 or at <= 0:
        raise InputError(f"settings must be above 0, not {min(settings | {at}):g}")
    fits = [_fit(points, at, form, level) for form in FORMS]
    best = min(fits, key=lambda fit: fit.squares)
    most = (best.squares + ROUNDING) * exp(SUPPORTED / len(points))
    kept = [fit for fit in fits if fit.squares <= most]
    return Trend(
        at=at,
        estimate=_accuracy(best.middle),
        low=min(_accuracy(fit.middle + fit.reach) for fit in kept),
        high=max(_accuracy(fit.middle - fit.reach) for fit in kept),
        level=level,
        runs=[point.run for point in points],
        form=f"logit of the error linear in {' or '.join(fit.form for fit in kept)}",
        lies=_lies(points, best.squares),
    )


def _accuracy(logit_of_error: float) -> float:
    return 100 * float(expit(-logit_of_error))


def _logits(points: Sequence[Point]) -> npt.NDArray[np.float64]:
    return np.array([log(point.wrong + 0.5) - log(point.samples - point.wrong + 0.5) for point in points])


def _fit(points: Sequence[Point], at: float, form: str, level: float) -> _Fit:
    """Least squares, and the t interval of a new observation."""
    n, y = len(points), _logits(points)
    z = FORMS[form](np.array([point.x for point in points], dtype=np.float64))
    z0 = float(FORMS[form](np.array([at], dtype=np.float64))[0])
    spread = float(((z - z.mean()) ** 2).sum())
    slope = float(((z - z.mean()) * y).sum()) / spread
    squares = float(((y - y.mean() - slope * (z - z.mean())) ** 2).sum())
    t = float(stdtrit(n - 2, (1 + level / 100) / 2))
    reach = t * sqrt(squares / (n - 2) * (1 + 1 / n + (z0 - z.mean()) ** 2 / spread))
    return _Fit(form=form, squares=squares, middle=float(y.mean()) + slope * (z0 - float(z.mean())), reach=reach)


def _lies(points: Sequence[Point], squares: float) -> bool:
    """Test of lack of fit at 5 %: what is left between the settings against the spread within them."""
    y, x = _logits(points), np.array([point.x for point in points])
    settings = np.unique(x)
    within = sum(float(((y[x == setting] - y[x == setting].mean()) ** 2).sum()) for setting in settings)
    free_within, free_between = len(points) - len(settings), len(settings) - 2
    if not free_within or within <= ROUNDING:
        return not free_within or squares <= ROUNDING
    ratio = max(squares - within, 0.0) / free_between / (within / free_within)
    return float(fdtrc(free_between, free_within, ratio)) >= 0.05
