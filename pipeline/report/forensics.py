"""Finds which ways to score a test set of a known size can give a printed percentage.

Uses integer arithmetic only. docs/forensics.md describes the method and its limits.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.ground.errors import InputError

BATCHES = (8, 16, 21, 32, 50, 64, 100, 128, 256)
"""Common batch sizes of trainings; 21 is the default of the authors' train.py."""
MOST_RUNS = 5
AROUND = 500
"""Range on both sides of a number, in units of its last digit, that is used to estimate chance matches."""
MOST_DECIMALS = 4
_MOST_SAMPLES = 100_000
"""With more samples, intermediate sums exceed 64 bits."""
NEAREST = ("half up", "half even", "format")
"""Rules of rounding to the nearest. They differ only for ties. `format` is Python's formatting of floats."""
_ROUNDINGS = (*NEAREST, "truncated")
_PERCENTAGE = re.compile(r"(\d{1,3})(?:\.(\d+))?(?: ?%)?", re.ASCII)

Rule = Literal["every sample", "last partial batch dropped", "mean of batch means"]


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A percentage as printed."""

    text: str
    decimals: int
    units: int
    """The number in units of its last digit: 7298 for 72.98."""

    def say(self, units: int) -> str:
        """Text of another number with the same number of decimals."""
        return f"{units / 10**self.decimals:.{self.decimals}f}"

    @property
    def whole(self) -> int:
        """100 %, in units of the last digit."""
        return 100 * 10**self.decimals

    def around(self) -> range:
        """Nearby numbers with the same number of decimals, in units of the last digit."""
        return range(max(0, self.units - AROUND), min(self.whole, self.units + AROUND) + 1)


@dataclass(frozen=True, kw_only=True)
class Count:
    """A count of correct samples that prints as the number under the rounding rules in `rules`."""

    correct: int
    of: int
    percent: float
    rules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """A rule that computes one percentage from counts of correct samples.

    It is a mean over batches. A smaller last batch of `rest` samples, if kept, has the weight of a full one.
    """

    rule: Rule
    batch: int
    full: int
    """Samples in full batches; without `rest`, the number of all scored samples."""
    rest: int = 0

    def lines(self, runs: int, low: int, high: int, whole: int) -> Iterator["_Line"]:
        """All counts over `runs` whose value is between low/whole and high/whole."""
        if not self.rest:
            yield _Line.between(low, high, whole, most=self.full * runs, step=1, offset=0, bottom=self.full * runs)
            return
        bottom = runs * (self.full // self.batch + 1) * self.batch * self.rest
        for last in range(self.rest * runs + 1):
            offset = last * self.batch
            line = _Line.between(low, high, whole, most=self.full * runs, step=self.rest, offset=offset, bottom=bottom)
            yield replace(line, last=last)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Values (correct * step + offset) / bottom, for each `correct` of a range."""

    correct: range
    """Correct samples in full batches."""
    step: int
    offset: int
    bottom: int
    last: int = 0
    """Correct samples in the smaller last batch."""

    @staticmethod
    def between(low: int, high: int, whole: int, *, most: int, step: int, offset: int, bottom: int) -> "_Line":
        first = -((offset - -(-low * bottom // whole)) // step)
        final = (high * bottom // whole - offset) // step
        return _Line(correct=range(max(0, first), min(most, final) + 1), step=step, offset=offset, bottom=bottom)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result for one way to score, as a mean over `runs`."""

    scoring: Scoring
    runs: int
    counts: list[Count]
    """Counts that print as the number; empty if there are none."""
    chance: float
    """Fraction of the nearby numbers that are also possible with rounding to the nearest."""

    @property
    def possible(self) -> bool:
        """Whether the number is possible with rounding to the nearest, whatever the rule for ties."""
        return _possible(self.counts)

    @property
    def conditions(self) -> str:
        """Conditions under which it is possible; empty if there are none."""
        rules = {rule for count in self.counts for rule in count.rules}
        return "" if self.possible else " or ".join(rule for rule in _ROUNDINGS if rule in rules)


@dataclass(frozen=True, kw_only=True)
class Forensics:
    """All results for one number."""

    printed: Printed
    test_size: int
    findings: list[Finding]
    """Sorted by way to score, then by number of runs."""
    dropping: list[int]
    """Test batch sizes that leave a remainder and can give the number in one run if only full batches are scored."""
    remainders: int
    """Number of test batch sizes that leave a remainder."""
    chance: float
    """Fraction of the nearby numbers that are possible with the scoring of at least one finding."""

    @property
    def rows(self) -> list[list[Finding]]:
        """Findings grouped by way to score; in a group by number of runs."""
        return [self.findings[start : start + MOST_RUNS] for start in range(0, len(self.findings), MOST_RUNS)]


def read_printed(text: str, precision: int | None = None) -> Printed:
    """Parses a number such as 72.98 or 94.1 %. `precision` is its number of decimals, if trailing zeros are missing.

    Raises InputError.
    """
    match = _PERCENTAGE.fullmatch(text.strip())
    if not match:
        raise InputError(f"{text!r}: expected a percentage as it was printed, such as 72.98")
    whole, decimals = match[1], match[2] or ""
    if precision is not None and precision < len(decimals):
        raise InputError(f"--precision {precision}: {text} has {len(decimals)} decimals already")
    decimals = decimals.ljust(precision or 0, "0")
    if len(decimals) > MOST_DECIMALS:
        raise InputError(f"{text}: at most {MOST_DECIMALS} decimals can be examined")
    number = f"{whole}.{decimals}" if decimals else whole
    printed = Printed(text=number, decimals=len(decimals), units=int(whole + decimals))
    if printed.units > printed.whole:
        raise InputError(f"{text}: expected a percentage of at most 100")
    return printed


def examine(printed: Printed, test_size: int, batches: tuple[int, ...] = BATCHES) -> Forensics:
    """Tries every way to score on a number; `batches` are batch sizes of the training. Raises InputError."""
    if not 1 <= test_size <= _MOST_SAMPLES:
        raise InputError(f"a test set of {test_size}: expected 1 to {_MOST_SAMPLES} samples")
    if wrong := [batch for batch in batches if batch < 1]:
        raise InputError(f"a batch of {wrong[0]}: expected at least 1 sample")
    ways = list(scorings(test_size, batches))
    tried = [(way, runs) for way in ways for runs in range(1, MOST_RUNS + 1)]
    sizes = np.arange(2, max(2, test_size), dtype=np.int64)
    sizes = sizes[test_size % sizes > 0]
    also = [_also(printed, way, runs) for way, runs in tried]
    around = printed.around()
    return Forensics(
        printed=printed,
        test_size=test_size,
        findings=[_find(printed, way, runs, fits) for (way, runs), fits in zip(tried, also, strict=True)],
        dropping=_dropping(printed, test_size, sizes),
        remainders=len(sizes),
        chance=len(set().union(*also)) / len(around),
    )


def scorings(test_size: int, batches: tuple[int, ...]) -> Iterator[Scoring]:
    """Distinct ways to score. A test batch size without remainder is left out: it equals scoring every sample."""
    yield Scoring(rule="every sample", batch=test_size, full=test_size)
    for size in sorted({size for batch in batches for size in (batch, 2 * batch)}):
        if size < test_size and test_size % size:
            dropped = _dropped(test_size, size)
            yield dropped
            yield Scoring(rule="mean of batch means", batch=size, full=dropped.full, rest=test_size - dropped.full)


def _dropping(printed: Printed, test_size: int, sizes: npt.NDArray[np.int64]) -> list[int]:
    """Test batch sizes of `sizes` that can give the number in one run if only full batches are scored.

    The nearest count decides. Less than half a unit away, it prints as the number under every rule for ties; farther
    away, never. At exactly half a unit every rule is tried.
    """
    full = test_size // sizes * sizes
    below = printed.units * full % printed.whole
    away = 2 * np.minimum(below, printed.whole - below)
    halfway = (_dropped(test_size, size) for size in sizes[away == full].tolist())
    fit = [way.batch for way in halfway if _possible(_counts(printed, way, 1))]
    return sorted([*sizes[away < full].tolist(), *fit])


def _dropped(test_size: int, size: int) -> Scoring:
    return Scoring(rule="last partial batch dropped", batch=size, full=test_size // size * size)


def prints(numerator: int, denominator: int, printed: Printed) -> dict[str, int]:
    """The printed fraction by rounding rule, in units of the last digit."""
    floor, rest = divmod(numerator * printed.whole, denominator)
    up = floor + (2 * rest >= denominator)
    if 2 * rest != denominator:
        return {"half up": up, "half even": up, "format": up, "truncated": floor}
    formatted = f"{100 * numerator / denominator:.{printed.decimals}f}"
    return {
        "half up": up,
        "half even": floor + floor % 2,
        "format": int(formatted.replace(".", "")),
        "truncated": floor,
    }


def _counts(printed: Printed, scoring: Scoring, runs: int) -> list[Count]:
    """Counts that print as the number, sorted by their number of correct samples."""
    found: dict[int, Count] = {}
    wanted, of = printed.units, (scoring.full + scoring.rest) * runs
    for line in scoring.lines(runs, wanted - 1, wanted + 1, printed.whole):
        for full in line.correct:
            top, correct = full * line.step + line.offset, full + line.last
            rules = tuple(rule for rule, units in prints(top, line.bottom, printed).items() if units == wanted)
            if correct not in found or len(rules) > len(found[correct].rules):
                found[correct] = Count(correct=correct, of=of, percent=100 * top / line.bottom, rules=rules)
    return [found[correct] for correct in sorted(found) if found[correct].rules]


def _possible(counts: list[Count]) -> bool:
    return any(set(NEAREST) <= set(count.rules) for count in counts)


def _also(printed: Printed, scoring: Scoring, runs: int) -> set[int]:
    """Nearby numbers that are possible too, with rounding to the nearest and ties up."""
    around = printed.around()
    found = np.zeros(len(around) + 2, dtype=bool)
    for line in scoring.lines(runs, around[0] - 1, around[-1] + 1, printed.whole):
        tops = np.arange(line.correct.start, line.correct.stop) * line.step + line.offset
        units = (2 * tops * printed.whole + line.bottom) // (2 * line.bottom)
        found[np.clip(units - around[0] + 1, 0, len(around) + 1)] = True
    return {around[index] for index in np.flatnonzero(found[1:-1])}


def _find(printed: Printed, scoring: Scoring, runs: int, fits: set[int]) -> Finding:
    counts, chance = _counts(printed, scoring, runs), len(fits) / len(printed.around())
    return Finding(scoring=scoring, runs=runs, counts=counts, chance=chance)


def nearest_counts(printed: Printed, samples: int) -> list[str]:
    """The counts on both sides of the number with their values, such as 729/1000 = 72.90."""
    below = printed.units * samples // printed.whole
    both = [correct for correct in (below, below + 1) if correct <= samples]
    return [f"{n}/{samples} = {printed.say(prints(n, samples, printed)['half up'])}" for n in both]


def forensics_table(forensics: Forensics) -> str:
    """All findings as text for a terminal."""
    head = ["scored", "samples", "one run", *(f"mean of {runs}" for runs in range(2, MOST_RUNS + 1)), "by chance"]
    lines = [head]
    for row in forensics.rows:
        scoring = row[0].scoring
        cells = [say_cell(finding) for finding in row]
        lines.append([say_scoring(scoring), f"{scoring.full + scoring.rest}", *cells, f"{100 * row[0].chance:.0f} %"])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    title = f"{forensics.printed.text} % of a test set of {forensics.test_size}\n"
    return "\n".join([title, *shown, "", *say_all(forensics)])


def say_scoring(scoring: Scoring) -> str:
    if scoring.rule == "every sample":
        return scoring.rule
    half, odd = divmod(scoring.batch, 2)
    return f"test batch {scoring.batch}{'' if odd else f' (2 x {half})'}, {scoring.rule}"


def say_cell(finding: Finding) -> str:
    """Such as 705/966, 9410-9411/9996, 2919/4000 if half up, or no."""
    if not finding.counts:
        return "no"
    first, last = finding.counts[0], finding.counts[-1]
    counts = f"{first.correct}" if first == last else f"{first.correct}-{last.correct}"
    return f"{counts}/{first.of}" + (f" if {finding.conditions}" if finding.conditions else "")


def say_all(forensics: Forensics) -> list[str]:
    """The conclusion, in sentences."""
    plain, text = forensics.findings[0], f"{forensics.printed.text} %"
    if plain.counts:
        first = f"One run on every sample can print {text}: {say_cell(plain)}."
    else:
        beside = " and ".join(nearest_counts(forensics.printed, forensics.test_size))
        first = f"One run on every sample cannot print {text}: the nearest are {beside}."
    fit, most = forensics.dropping, 12
    more = f" and {len(fit) - most} more" if len(fit) > most else ""
    listed = f": {', '.join(map(str, fit[:most]))}{more}" if fit else ""
    dropping = (
        f"Of {forensics.remainders} test batches that leave a remainder, {len(fit)} can print it in one run"
        f" when that is dropped{listed}."
    )
    chance = (
        f"By chance: how many of the {len(forensics.printed.around())} numbers of as many decimals around it the same"
        f" scoring prints in one run. {100 * forensics.chance:.0f} % of them fit some cell of this table, so a fit is"
        " weak evidence; a no rules that scoring out."
    )
    return [first, dropping, chance, "Rounded to the nearest, whichever way halves go, unless a cell says otherwise."]
