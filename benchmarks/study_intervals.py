"""How often the study's 95 % intervals hold: simulated studies, compared by the functions that compare real ones.

python -m benchmarks.study_intervals writes results/study-intervals.json, which docs/study.md cites.

A simulated training has log-odds: an effect of its part, an effect of its seed and a normal residual. It classifies a
sample correctly if a normal number is below a threshold that gives its accuracy; the number is the sum of what is hard
in the sample for all networks, for those of a part, and for this training alone. Settings are near the committed
datasets, whose answers of two seeds agree about as much. A difference holds if the true one, over all seeds and
samples, is in the interval. Each study is compared in three ways: with the intervals of the page, with those over
seeds alone (samples left out), and with a bootstrap of both (Owen 2007) that draws seeds and samples with replacement.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from benchmarks import positive
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.judge.equivalence import Floats
from pipeline.report.study.grid import INTERVALS
from pipeline.report.study.pairs import interaction_p_value
from pipeline.report.study.pooled import (
    LEVEL,
    POWER,
    Bools,
    PairedDifference,
    Scores,
    contrast_of,
    difference,
    log_odds,
    scores_of,
    spread_of,
)

DRAWS = 400
"""Draws of a bootstrap."""
METHODS = ("both", "seeds alone", "bootstrap")
BASE = "0"
"""Name of the part that the others are compared with."""
MORE_SEEDS = 8
"""Number of seeds for which it is tried whether they decide what they are said to decide."""


@dataclass(frozen=True, kw_only=True)
class StudySetting:
    """Simulated studies of one kind."""

    like: str
    parts: int
    seeds: int
    samples: int
    worst: float
    """Lowest accuracy of a part (percent); the base is a third of the way down from the highest."""
    best: float
    spread: float
    """Standard deviation of log-odds over seeds."""
    for_all: float
    """Share of a sample's variance that is the same for all trainings."""
    for_part: float
    """Share that is the same for the trainings of a part."""
    tail: float = field(default=np.inf)
    """Degrees of freedom of Student's distribution that seeds have; infinite: normal."""
    rough: float = 1
    """The spread of every third part, but not of the base, relative to the others'."""

    @property
    def spreads(self) -> Floats:
        """Standard deviation of each part's log-odds over seeds, the base's first, (parts,)."""
        return self.spread * np.resize([1, 1, self.rough], self.parts)


SETTINGS = (
    StudySetting(
        like="digits", parts=38, seeds=3, samples=355, worst=75, best=97, spread=0.18, for_all=0.61, for_part=0.06
    ),
    StudySetting(
        like="digits, parts far apart",
        parts=38, seeds=3, samples=355, worst=22, best=97, spread=0.18, for_all=0.61, for_part=0.06,
    ),
    StudySetting(
        like="digits, seeds with long tails",
        parts=38, seeds=3, samples=355, worst=75, best=97, spread=0.18, for_all=0.61, for_part=0.06, tail=4,
    ),
    StudySetting(
        like="digits-dvs", parts=12, seeds=3, samples=120, worst=50, best=87, spread=0.12, for_all=0.55, for_part=0.06
    ),
    StudySetting(
        like="nmnist-small", parts=13, seeds=3, samples=100, worst=46, best=80, spread=0.05, for_all=0.67, for_part=0.08
    ),
    StudySetting(
        like="dvs-objects", parts=12, seeds=3, samples=562, worst=39, best=63, spread=0.1, for_all=0.66, for_part=0.12
    ),
    StudySetting(
        like="cifar10-jpeg", parts=21, seeds=3, samples=10000, worst=45, best=65, spread=0.05, for_all=0.5, for_part=0.1
    ),
    StudySetting(
        like="few parts, two seeds",
        parts=5, seeds=2, samples=100, worst=70, best=85, spread=0.15, for_all=0.6, for_part=0.1,
    ),
    StudySetting(
        like="five seeds", parts=12, seeds=5, samples=120, worst=50, best=87, spread=0.12, for_all=0.55, for_part=0.06
    ),
    StudySetting(
        like="digits, spreads differ",
        parts=38, seeds=3, samples=355, worst=75, best=97, spread=0.18, for_all=0.61, for_part=0.06, rough=2,
    ),
)  # fmt: skip
SEED_EFFECT = 0.1
"""Standard deviation of log-odds of what a seed does to all parts alike."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulates, prints, writes the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_intervals", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--studies", type=positive, default=2000, help="studies a setting (default: 2,000)")
    parser.add_argument("--output", type=Path, default=RESULTS / INTERVALS, help="file of the result")
    chosen = parser.parse_args(arguments)
    rows = []
    for setting in SETTINGS:
        rows.append(
            coverage(setting, chosen.studies)
            | {"decided": kept(setting, chosen.studies)}
            | {"false_interactions": false_interactions(setting, chosen.studies)}
        )
        print(line(rows[-1]), flush=True)
    content = {"studies": chosen.studies, "level": LEVEL, "power": POWER, "draws": DRAWS, "settings": rows}
    write_whole(chosen.output, json.dumps(content, indent=1).encode() + b"\n")
    print(f"written to {chosen.output}")


def line(row: Mapping[str, Any]) -> str:
    """A result as one line of text."""
    shares = ", ".join(f"{name} {100 * row[name]['held']:.1f} %" for name in METHODS)
    return (
        f"{row['like']}: {shares}; {row['decided']['seeds']} seeds decide {100 * row['decided']['decided']:.1f} %; "
        f"interactions found where none is: {100 * row['false_interactions']:.1f} %"
    )


def coverage(setting: StudySetting, studies: int) -> dict[str, Any]:
    """Share of the differences that are in their interval, and its mean width (points), by method."""
    effects, generator = effects_of(setting), np.random.default_rng([0, SETTINGS.index(setting)])
    truth, draws = accuracies(setting, effects), Draws.make(setting, np.random.default_rng(1))
    found = np.zeros((studies, len(METHODS), setting.parts, 2))
    for study in range(studies):
        hits = simulated(setting, effects, generator)
        found[study, :2] = by_formula(hits)
        found[study, 2] = draws.intervals(hits)
    found, differences = found[:, :, 1:], truth[1:] - truth[0]
    held = ((found[..., 0] <= differences) & (differences <= found[..., 1])).mean(axis=0)
    widths = (found[..., 1] - found[..., 0]).mean(axis=(0, 2))
    by_method = {
        name: {"held": round(share.mean(), 4), "least": round(share.min(), 4), "width": round(width, 2)}
        for name, share, width in zip(METHODS, held, widths, strict=True)
    }
    return as_shown(setting) | by_method


def as_shown(setting: StudySetting) -> dict[str, Any]:
    """The setting as JSON, which has no infinity."""
    return asdict(setting) | {"tail": setting.tail if np.isfinite(setting.tail) else None}


def effects_of(setting: StudySetting) -> Floats:
    """Log-odds of the parts, evenly spaced; the base, a third of the way down, comes first."""
    spaced = log_odds(np.linspace(setting.best, setting.worst, setting.parts), 100)
    return np.roll(spaced, -(setting.parts // 3))


def accuracies(setting: StudySetting, effects: Floats) -> Floats:
    """True accuracies (percent), the mean over all seeds, from 100,000 of them."""
    generator = np.random.default_rng(2)
    seeds, units = generator.normal(0, SEED_EFFECT, 100_000), residuals(setting, (100_000,), generator)
    odds = zip(effects, setting.spreads, strict=True)
    return np.array([100 * expit(effect + seeds + spread * units).mean() for effect, spread in odds])


def residuals(setting: StudySetting, shape: tuple[int, ...], generator: np.random.Generator) -> Floats:
    """What trainings' log-odds have beyond part and seed, with a standard deviation of 1."""
    if np.isinf(setting.tail):
        return generator.standard_normal(shape)
    return np.asarray(generator.standard_t(setting.tail, shape) / np.sqrt(setting.tail / (setting.tail - 2)))


def simulated(setting: StudySetting, effects: Floats, generator: np.random.Generator) -> Bools:
    """Correctly classified samples of a study, (parts, seeds, samples)."""
    parts, seeds, samples = len(effects), setting.seeds, setting.samples
    common, units = generator.normal(0, SEED_EFFECT, seeds), residuals(setting, (parts, seeds), generator)
    odds = effects[:, None] + common + setting.spreads[:, None] * units
    alone = 1 - setting.for_all - setting.for_part
    hard = np.zeros((parts, seeds, samples), dtype=np.float32)
    for share, shape in (
        (setting.for_all, (1, 1, samples)),
        (setting.for_part, (parts, 1, samples)),
        (alone, hard.shape),
    ):
        hard += np.float32(np.sqrt(share)) * generator.standard_normal(shape, dtype=np.float32)
    return np.asarray(hard < ndtri(expit(odds))[..., None])


def by_formula(hits: Bools) -> Floats:
    """Intervals of the first two methods against the first part, (2, parts, 2); zeros for that part."""
    scores = scores_of(named(hits))
    without = replace(scores, covariance=np.zeros_like(scores.covariance))
    return np.array([intervals(one, len(hits)) for one in (scores, without)])


def named(hits: Bools) -> dict[str, dict[int, Bools]]:
    return {str(part): dict(enumerate(own)) for part, own in enumerate(hits)}


def intervals(scores: Scores, parts: int) -> list[tuple[float, float]]:
    """Ends of the interval of each part; zeros for the base."""
    names = [str(part) for part in range(parts)]
    spread = spread_of(scores, names)
    assert spread is not None, "simulated trainings differ"
    return [(0.0, 0.0), *(ends(difference(scores, name, BASE, spread)) for name in names[1:])]


def ends(found: PairedDifference | None) -> tuple[float, float]:
    assert found is not None, "simulated parts have the same seeds"
    assert found.low is not None, "and a spread"
    assert found.high is not None, "and a spread"
    return found.low, found.high


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How often a bootstrap draws each seed and each test sample; the same draws serve every study."""

    seeds: Floats
    """(draws, seeds)"""
    samples: npt.NDArray[np.float32]
    """(draws, samples)"""

    @classmethod
    def make(cls, setting: StudySetting, generator: np.random.Generator) -> "Draws":
        seeds, samples = (
            generator.multinomial(number, np.full(number, 1 / number), DRAWS)
            for number in (setting.seeds, setting.samples)
        )
        return cls(seeds=seeds.astype(np.float64), samples=samples.astype(np.float32))

    def intervals(self, hits: Bools) -> Floats:
        """Percentile intervals of the differences (points) to the first part, (parts, 2)."""
        counts = hits.astype(np.float32) @ self.samples.T  # (parts, seeds, draws)
        accuracy = 100 * np.einsum("psd,ds->pd", counts, self.seeds) / (hits.shape[1] * hits.shape[2])
        return np.asarray(np.quantile(accuracy - accuracy[0], [0.025, 0.975], axis=1).T)


def kept(setting: StudySetting, studies: int) -> dict[str, float]:
    """Share of the studies with MORE_SEEDS seeds that decide a difference which this number is said to decide."""
    effects, generator = effects_of(setting), np.random.default_rng([3, SETTINGS.index(setting)])
    said = [decided_by(MORE_SEEDS, simulated(setting, effects, generator)) for _ in range(max(studies // 20, 2))]
    effects[1] = effects[0] + np.mean(said)
    more = replace(setting, seeds=MORE_SEEDS)
    decided = [decides(simulated(more, effects, generator)) for _ in range(max(studies // 4, 2))]
    return {"seeds": MORE_SEEDS, "log_odds": float(np.mean(said)), "decided": float(np.mean(decided))}


def false_interactions(setting: StudySetting, studies: int) -> float:
    """Share of the studies that find an interaction, at 5 %, of two parts whose log-odds add up.

    Where spreads differ, the two and the experiment with both have the larger one.
    """
    effects, generator = effects_of(setting), np.random.default_rng([4, SETTINGS.index(setting)])
    part, other, both = (1, 2, 3) if setting.rough == 1 else (2, 5, 8)
    effects[both] = effects[part] + effects[other] - effects[0]
    names, found = [str(part) for part in range(setting.parts)], 0
    for _ in range(studies):
        scores = scores_of(named(simulated(setting, effects, generator)))
        spread = spread_of(scores, names)
        assert spread is not None, "simulated trainings differ"
        found += interaction_p_value(scores, (BASE, names[part], names[other], names[both]), spread) <= 1 - LEVEL
    return round(found / studies, 4)


def decided_by(seeds: int, hits: Bools) -> float:
    """The difference of log-odds that a study says so many seeds would decide."""
    scores = scores_of(named(hits))
    spread = spread_of(scores, [str(part) for part in range(len(hits))])
    assert spread is not None, "simulated trainings differ"
    return float(contrast_of(scores, {"1": 1, BASE: -1}, spread).decides(seeds))


def decides(hits: Bools) -> bool:
    """Whether the second part is better than the first."""
    scores = scores_of(named(hits))
    return intervals(scores, len(hits))[1][0] > 0


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
