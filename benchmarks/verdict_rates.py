"""Error rates and frequencies of verdicts: simulated experiments, judged by the functions that judge real ones.

python -m benchmarks.verdict_rates writes results/verdict-rates.json and the tables in docs/verdicts.md.

A simulated seed has a true accuracy, drawn around that of the method: from a normal distribution, for which the bounds
are proven, or from a beta distribution with its longer tail away from 100 %, to see the effect of non-normality.
Its count on N test samples has noise that seeds share completely ("shared": a sample that one seed gets right is right
for every better one) or not at all ("apart"); real seeds are in between.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import positive
from benchmarks.marked import insert
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.judge.equivalence import ALPHA, CHANCE, Earlier, Goal, decide, decide_larger, needed

DOCUMENT = ROOT / "docs" / "verdicts.md"
SECTION = "rates"
"""Of docs/verdicts.md."""
TESTS = ((355, 90.0, 5.2), (1000, 72.98, 3.5), (10000, 94.14, 1.0))
"""Test samples, value and margin (points), near the claims about Digits, CIFAR10-DVS and CIFAR-10."""
SEEDS = (1, 2, 3, 5)
SPREADS = (0.0, 0.3, 1.2)
"""Standard deviation of true accuracies over seeds (points)."""
DIFFERENCES = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""True accuracy minus the claimed value, in units of the margin."""
EARLIER = 5
"""Number of earlier trainings from which a claim's spread is estimated."""
SPREAD_FROM = ("these seeds", "5 others", "5, these among them")
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One simulated setting."""

    samples: int
    value: float
    margin: float
    difference: float
    """True accuracy minus the claimed value, in units of the margin."""
    sd: float
    shape: str
    """Distribution of true accuracies: normal or beta."""
    noise: str
    """shared or apart"""

    @property
    def mean(self) -> float:
        return self.value + self.difference * self.margin


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulates, writes the result and the document, prints the worst rates."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verdict_rates", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--runs", type=positive, default=20_000, help="experiments a setting (default: 20,000)")
    parser.add_argument("--output", type=Path, default=RESULTS / "verdict-rates.json")
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    chosen = parser.parse_args(arguments)
    result = simulate(chosen.runs)
    write_whole(chosen.output, shown(result).encode())
    insert(chosen.document, {SECTION: tables(result)})
    print(f"bound {100 * ALPHA:g} %, worst of all {worst(of_shape(result, 'normal'))}")
    print(f"written to {chosen.output} and {chosen.document}")


def simulate(runs: int, tests: Iterable[tuple[int, float, float]] = TESTS) -> dict[str, Any]:
    """All rates, from `runs` experiments per setting; deterministic."""
    tests = list(tests)
    return {
        "runs": runs,
        "alpha": ALPHA,
        "chance": CHANCE,
        "accuracy": [rates(setting, runs, index) for index, setting in enumerate(settings(tests))],
        "seeds_needed": list(promises(runs, tests)),
        "larger": list(orderings(runs, tests)),
    }


def settings(tests: Iterable[tuple[int, float, float]]) -> Iterator[Setting]:
    kinds = product(tests, DIFFERENCES, SPREADS, ("normal", "beta"), ("shared", "apart"))
    for test, difference, sd, shape, noise in kinds:
        setting = made(test, difference, sd, shape, noise)
        if setting.mean < 100 and (sd > 0 or shape == "normal"):
            yield setting


def made(test: tuple[int, float, float], difference: float, sd: float, shape: str, noise: str) -> Setting:
    samples, value, margin = test
    return Setting(samples=samples, value=value, margin=margin, difference=difference, sd=sd, shape=shape, noise=noise)


def rates(setting: Setting, runs: int, index: int) -> dict[str, Any]:
    """Frequency of each verdict, by number of seeds and source of their spread."""
    counts = draw(setting, runs, max(SEEDS) + EARLIER, np.random.default_rng([0, index]))
    goal = Goal(value=setting.value, margin=setting.margin, precision=0.0)
    found = {}
    for n, spread in product(SEEDS, SPREAD_FROM):
        if (n > 1 or spread != "these seeds") and (n < EARLIER or spread != "5, these among them"):
            verdicts = decide(counts[:, :n], setting.samples, goal, known(spread, counts, n, setting.samples))
            found[f"{n}, {spread}"] = shares(verdicts)
    return asdict(setting) | {"rates": found}


def known(spread: str, counts: Counts, n: int, samples: int) -> Earlier | None:
    """A claim's statement about the spread, estimated separately in each experiment."""
    if spread == "these seeds":
        return None
    chosen, again = (counts[:, -EARLIER:], 0) if spread == "5 others" else (counts[:, :EARLIER], n)
    return Earlier(sd=np.std(100 * chosen / samples, axis=1, ddof=1), trainings=EARLIER, known=again)


def draw(setting: Setting, runs: int, seeds: int, generator: np.random.Generator) -> Counts:
    """Correct test samples, (runs, seeds)."""
    accuracy = true_accuracies(setting, (runs, seeds), generator)
    if setting.noise == "apart":
        return generator.binomial(setting.samples, accuracy).astype(np.float64)
    order = np.argsort(accuracy, axis=1)
    rising = np.take_along_axis(accuracy, order, axis=1)
    counts = np.zeros((runs, seeds))
    right, before = np.zeros(runs, dtype=np.int64), np.zeros(runs)
    for seed in range(seeds):  # a better seed is right where the previous one was, and on some of its errors
        right = right + generator.binomial(setting.samples - right, (rising[:, seed] - before) / (1 - before))
        before = rising[:, seed]
        counts[:, seed] = right
    np.put_along_axis(counts, order, counts.copy(), axis=1)
    return counts


def true_accuracies(setting: Setting, shape: tuple[int, int], generator: np.random.Generator) -> Counts:
    """True accuracies as proportions, with the setting's mean and standard deviation."""
    mean, sd = setting.mean / 100, setting.sd / 100
    if setting.shape == "normal":
        return np.clip(generator.normal(mean, sd, shape), 0, 1 - 1e-9)
    weight = mean * (1 - mean) / sd**2 - 1
    return np.minimum(generator.beta(mean * weight, (1 - mean) * weight, shape), 1 - 1e-9)


def promises(runs: int, tests: Iterable[tuple[int, float, float]]) -> Iterator[dict[str, Any]]:
    """How often the stated number of needed seeds leads to a decision, on one test set, given mean and spread so
    far."""
    places = product(tests, (-2.0, -0.5, 0.0), SPREADS[1:])
    for index, ((samples, value, margin), difference, sd) in enumerate(places):
        goal, mean = Goal(value=value, margin=margin, precision=0.0), value + difference * margin
        two = (mean + np.array([-sd, sd]) / np.sqrt(2)) * samples / 100  # two seeds with this mean and spread
        row = {"samples": samples, "value": value, "margin": margin, "difference": difference, "sd": sd}
        seeds = needed(two, samples, goal).seeds
        decided = None
        if seeds is not None:
            accuracy = np.random.default_rng([1, index]).normal(mean, sd, (runs, seeds))
            counts = np.clip(np.round(accuracy * samples / 100), 0, samples)
            decided = round(1 - shares(decide(counts, samples, goal)).get("UNDERPOWERED", 0.0), 4)
        yield row | {"seeds": seeds, "decided": decided}


def orderings(runs: int, tests: Iterable[tuple[int, float, float]]) -> Iterator[dict[str, Any]]:
    """Verdicts on "larger by more than the margin" if the true difference equals the margin, by paired seeds."""
    for index, (test, n, sd) in enumerate(product(tests, SEEDS[1:], SPREADS)):
        generator, (samples, _, margin) = np.random.default_rng([2, index]), test
        setting, lower = (made(test, difference, sd, "normal", "apart") for difference in (0.0, -1.0))
        differences = draw(setting, runs, n, generator) - draw(lower, runs, n, generator)
        verdicts = decide_larger(100 * differences / samples, margin)
        yield {"samples": samples, "margin": margin, "seeds": n, "sd": sd, "rates": shares(verdicts)}


def shares(verdicts: npt.NDArray[Any]) -> dict[str, float]:
    names, counts = np.unique(verdicts, return_counts=True)
    return {str(name): round(float(count) / verdicts.size, 4) for name, count in zip(names, counts, strict=True)}


def false_reproduced(row: dict[str, Any]) -> float:
    """Type I error of the equivalence: REPRODUCED though the true difference is the margin or more."""
    return float(row["rates"].get("REPRODUCED", 0.0)) if abs(row["difference"]) >= 1 else 0.0


def false_outside(row: dict[str, Any]) -> float:
    """Type I error of the difference: BELOW or ABOVE though the true difference is the margin or less."""
    inside = abs(row["difference"]) <= 1
    return float(row["rates"].get("BELOW", 0.0) + row["rates"].get("ABOVE", 0.0)) if inside else 0.0


def right(row: dict[str, Any]) -> float:
    """Rate of REPRODUCED without a difference, or of BELOW at two margins; 1 minus it is the type II error."""
    return float(row["rates"].get("REPRODUCED" if row["difference"] == 0 else "BELOW", 0.0))


def tables(result: dict[str, Any]) -> str:
    """The document's section."""
    bound, spreads = f"{100 * ALPHA:g} %", [f"{sd:g}" for sd in SPREADS]
    about = (
        f"{result['runs']:,} experiments a setting. The two error rates are the largest over true spreads of "
        f"{', '.join(spreads)} points and both kinds of noise. The true difference is one or two margins (false "
        f"REPRODUCED), or none or one (false BELOW or ABOVE). Each rate is bounded by {bound}; the simulation is "
        f"accurate to ±{allowance(result['runs']):.2f} points. The last two columns are the rates of right verdicts "
        f"with shared noise, for spreads of {' / '.join(spreads)}. Nearly all of the rest, the type II error, is "
        "UNDERPOWERED."
    )
    skewed = (
        "The bounds are for seeds whose true accuracies are normal. With a beta distribution, skewed away from 100 %, "
        f"the largest rates are {worst(of_shape(result, 'beta'))}, with a spread of {spreads[-1]} points."
    )
    promise = (
        "How often the number of seeds that UNDERPOWERED names decides; promised are "
        f"{100 * CHANCE:g} %. The true mean on these test samples and the true spread are those that it saw:"
    )
    paired = (
        "Orderings by paired seeds, where the first is better by exactly the margin; the largest rates over the "
        f"spreads, each bounded by {bound}:"
    )
    accuracy = error_table(of_shape(result, "normal"))
    parts = [about, accuracy, skewed, promise, kept(result["seeds_needed"]), paired, pairs(result["larger"])]
    return "\n\n".join(parts)


def allowance(runs: int) -> float:
    """Three standard errors (points) of a simulated rate of ALPHA."""
    return float(300 * np.sqrt(ALPHA * (1 - ALPHA) / runs))


def error_table(rows: list[dict[str, Any]]) -> str:
    names = ("N", "value ± margin", "seeds", "spread from", "false REPRODUCED", "false BELOW or ABOVE")
    columns = [*names, "REPRODUCED at no difference", "BELOW at two margins"]
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for key, group in grouped(rows, ("samples", "value", "margin", "seeds")).items():
        samples, value, margin, seeds = key
        shared = [row for row in group if row["noise"] == "shared"]
        power = [" / ".join(part(right(row)) for row in shared if row["difference"] == at) for at in (0.0, -2.0)]
        errors = [part(max(map(error, group))) for error in (false_reproduced, false_outside)]
        about = f"{samples:,} | {value} ± {margin} | {seeds.replace(', ', ' | ', 1)}"
        lines.append(f"| {about} | {' | '.join([*errors, *power])} |")
    return "\n".join(lines)


def kept(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| N | true difference (margins) | spread (points) | seeds needed | decided |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        said = ("more than 100", "") if row["seeds"] is None else (row["seeds"], part(row["decided"]))
        lines.append(f"| {row['samples']:,} | {row['difference']:g} | {row['sd']} | {said[0]} | {said[1]} |")
    return "\n".join(lines)


def pairs(rows: list[dict[str, Any]]) -> str:
    lines = ["| N | pairs of seeds | false REPRODUCED | false BELOW |", "| --- | --- | --- | --- |"]
    for (samples, seeds), group in grouped(rows, ("samples", "seeds")).items():
        worst = [max(row["rates"].get(name, 0.0) for row in group) for name in ("REPRODUCED", "BELOW")]
        lines.append(f"| {samples:,} | {seeds} | {' | '.join(map(part, worst))} |")
    return "\n".join(lines)


def grouped(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def part(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def of_shape(result: dict[str, Any], shape: str) -> list[dict[str, Any]]:
    """One row per setting, number of seeds and source of the spread."""
    rows = [row for row in result["accuracy"] if row["shape"] == shape]
    return [row | {"seeds": name, "rates": found} for row in rows for name, found in row["rates"].items()]


def worst(rows: list[dict[str, Any]]) -> str:
    found = (max(map(error, rows)) for error in (false_reproduced, false_outside))
    return "{} (false REPRODUCED) and {} (false BELOW or ABOVE)".format(*map(part, found))


def shown(result: dict[str, Any]) -> str:
    """JSON with one line per row."""
    parts = []
    for name, value in result.items():
        rows = ",\n".join(json.dumps(row) for row in value) if isinstance(value, list) else ""
        parts.append(f"{json.dumps(name)}: " + (f"[\n{rows}\n]" if rows else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
