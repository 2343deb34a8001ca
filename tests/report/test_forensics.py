"""Which ways to score can give a printed number, by hand and against brute force over all counts."""

from fractions import Fraction
from itertools import product

import pytest

from pipeline.cli.command_line import main
from pipeline.report.forensics import (
    NEAREST,
    Finding,
    Forensics,
    Printed,
    Scoring,
    examine,
    forensics_table,
    nearest_counts,
    prints,
    read_printed,
    scorings,
)


def number(text: str) -> Printed:
    return read_printed(text)


def found(forensics: Forensics, batch: int, rule: str, runs: int = 1) -> Finding:
    (finding,) = [
        finding
        for finding in forensics.findings
        if (finding.scoring.batch, finding.scoring.rule, finding.runs) == (batch, rule, runs)
    ]
    return finding


def counts(finding: Finding) -> list[tuple[int, int]]:
    return [(count.correct, count.of) for count in finding.counts]


def test_the_papers_number_on_event_frames() -> None:
    """Facts that are known of it: not from 1,000 samples, but 705 of 966, or 724 of 992."""
    forensics = examine(number("72.98"), 1000)
    plain = forensics.findings[0]
    assert (plain.scoring.rule, plain.counts, plain.chance) == ("every sample", [], pytest.approx(0.1, abs=0.001))
    assert nearest_counts(forensics.printed, 1000) == ["729/1000 = 72.90", "730/1000 = 73.00"]
    authors = found(forensics, 42, "last partial batch dropped")
    assert (counts(authors), authors.possible) == ([(705, 966)], True)
    assert authors.counts[0].percent == pytest.approx(72.9814, abs=1e-4)
    assert counts(found(forensics, 16, "last partial batch dropped")) == [(724, 992)]
    assert counts(found(forensics, 21, "last partial batch dropped")) == []
    assert {16, 32, 42} <= {*forensics.dropping}
    assert not {21, 64, 128} & {*forensics.dropping}


def test_numbers_that_tell_nothing() -> None:
    for text, samples, plain, dropped in [("94.14", 10000, 9414, 9410), ("74.65", 10000, 7465, 7462)]:
        forensics = examine(number(text), samples, (21,))
        assert counts(forensics.findings[0]) == [(plain, samples)]
        assert (dropped, 9996) in counts(found(forensics, 42, "last partial batch dropped"))
        assert forensics.findings[0].chance == 1


def test_a_mean_of_runs_that_lies_halfway_depends_on_the_rounding() -> None:
    forensics = examine(number("72.98"), 1000, (21,))
    four, five = (found(forensics, 1000, "every sample", runs) for runs in (4, 5))
    assert (counts(four), four.possible, four.conditions) == ([(2919, 4000)], False, "half up or half even")
    assert f"{100 * 2919 / 4000:.2f}" == "72.97"  # the float lies below the half
    assert (counts(five), five.possible, five.conditions) == ([(3649, 5000)], True, "")


@pytest.mark.parametrize(
    ("share", "decimals", "up", "even", "formatted", "truncated"),
    [
        ((1, 8), 0, 13, 12, 12, 12),  # 12.5 %, exact as a float
        ((3, 8), 0, 38, 38, 38, 37),
        ((2, 3), 2, 6667, 6667, 6667, 6666),
        ((705, 966), 2, 7298, 7298, 7298, 7298),
        ((1, 1), 1, 1000, 1000, 1000, 1000),
    ],
)
def test_rounding_by_hand(
    share: tuple[int, int], decimals: int, up: int, even: int, formatted: int, truncated: int
) -> None:
    printed = Printed(text="", decimals=decimals, units=0)
    assert [*prints(*share, printed).values()] == [up, even, formatted, truncated]


def values(scoring: Scoring, runs: int) -> list[tuple[int, Fraction]]:
    """Every count with its value, the slow way."""
    if not scoring.rest:
        return [(n, Fraction(n, scoring.full * runs)) for n in range(scoring.full * runs + 1)]
    batches = scoring.full // scoring.batch
    pairs = product(range(scoring.full * runs + 1), range(scoring.rest * runs + 1))
    return [
        (n + last, (Fraction(n, scoring.batch) + Fraction(last, scoring.rest)) / (batches + 1) / runs)
        for n, last in pairs
    ]


@pytest.mark.parametrize("text", ["50.0", "33.3", "66.7", "0.0", "100.0", "97.1", "43", "7"])
@pytest.mark.parametrize("scoring", [*scorings(17, (3, 5, 8))], ids=lambda scoring: f"{scoring.batch}-{scoring.rule}")
def test_every_count_is_tried(text: str, scoring: Scoring) -> None:
    printed = number(text)
    forensics = examine(printed, 17, (3, 5, 8))
    for runs in (1, 2, 3):
        finding = found(forensics, scoring.batch, scoring.rule, runs)
        wanted: dict[int, set[str]] = {}
        also = set()
        for correct, value in values(scoring, runs):
            said = prints(value.numerator, value.denominator, printed)
            also.add(said["half up"])
            if printed.units in said.values():
                wanted.setdefault(correct, set()).update(rule for rule, n in said.items() if n == printed.units)
        assert [count.correct for count in finding.counts] == sorted(wanted)
        for count in finding.counts:
            assert set(count.rules) <= wanted[count.correct]
        around = printed.around()
        assert finding.chance == len(also & set(around)) / len(around)


@pytest.mark.parametrize("text", ["50.0", "12.5", "62.50", "97", "0", "100.0"])
@pytest.mark.parametrize("samples", [2, 17, 64, 81])
def test_every_test_batch_is_tried(text: str, samples: int) -> None:
    printed, fit = number(text), []
    sizes = [size for size in range(2, samples) if samples % size]
    for size in sizes:
        full = samples // size * size
        said = (prints(correct, full, printed) for correct in range(full + 1))
        if any({rules[name] for name in NEAREST} == {printed.units} for rules in said):
            fit.append(size)
    forensics = examine(printed, samples)
    assert (forensics.dropping, forensics.remainders) == (fit, len(sizes))


def test_scorings_that_are_the_same_stand_once() -> None:
    assert [scoring.batch for scoring in scorings(1000, (21, 42, 500, 2000))] == [1000, 21, 21, 42, 42, 84, 84]


def test_the_mean_of_batch_means_by_hand() -> None:
    # 5 samples in batches of 4: (3/4 + 1) / 2 = 87.5 %, (4/4 + 0) / 2 = 50 % and others.
    forensics = examine(number("87.5"), 5, (4,))
    assert counts(found(forensics, 4, "mean of batch means")) == [(4, 5)]
    assert counts(found(forensics, 4, "last partial batch dropped")) == []


def test_numbers_as_they_are_printed() -> None:
    assert number("94.10 %") == Printed(text="94.10", decimals=2, units=9410)
    assert read_printed("94.1", 2) == number("94.10")
    assert number("73") == Printed(text="73", decimals=0, units=73)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--test-size", "9"], "expected a percentage as it was printed"),
        (["72,98", "--test-size", "9"], "expected a percentage as it was printed"),
        (["\u0667\u0662.5", "--test-size", "9"], "expected a percentage as it was printed"),
        (["100.01", "--test-size", "9"], "at most 100"),
        (["1.23456", "--test-size", "9"], "at most 4 decimals"),
        (["72.98", "--test-size", "9", "--precision", "1"], "has 2 decimals already"),
        (["72.98", "--test-size", "0"], "expected 1 to 100000 samples"),
        (["72.98", "--test-size", "9", "--batch", "0"], "expected at least 1 sample"),
    ],
)
def test_what_cannot_be_examined_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["forensics", *arguments])
    assert message in str(stop.value)


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["forensics", "72.98", "--test-size", "1000", "--batch", "21"])
    said = capsys.readouterr().out
    assert said.strip() == forensics_table(examine(number("72.98"), 1000, (21,)))
    assert "test batch 42 (2 x 21), last partial batch dropped  966      705/966" in said
    assert (
        "One run on every sample cannot print 72.98 %: the nearest are 729/1000 = 72.90 and 730/1000 = 73.00." in said
    )
