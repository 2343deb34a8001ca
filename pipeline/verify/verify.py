"""`sresnet verify`: a report's folder checked offline, without torch, from its own bytes.

Every file is hashed, every signature checked, every link of the chain followed, every number and verdict derived anew
from the predictions, and all of it held against what the report prints. docs/verify.md says what that is worth.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.report.chain import Break
from pipeline.verify import checks, soundness
from pipeline.verify.checks import Report
from pipeline.verify.suspicions import suspicions

Check = Callable[[Report], Iterator[Break]]


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """What computes again from data and weights."""

    check: Check
    notes: Callable[[Report], Iterator[str]]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was looked at, and where it does not hold."""

    breaks: list[Break]
    """In the order of the chain; empty where everything holds."""
    looked: list[str]
    """What was looked at, in plain words."""
    notes: list[str]
    """What a reader has to know, and what was not looked at."""


def verify(
    folder: Path, key: Path | None = None, root: Path | None = None, anew: Recomputation | None = None
) -> Verified:
    """Checks a report's folder; `key` pins whose signatures count, `root` is a checkout whose data is hashed too, and
    `anew` computes from what lies there (recompute.AGAIN, which needs torch).

    Raises InputError for what is no report and for a bad key.
    """
    pinned = None
    if key is not None:
        from pipeline.report.signing import read_public_key  # takes a while to import

        pinned = read_public_key(key)
    report = Report(folder, pinned, root)
    found = _all("files", report, checks.files)
    steps: list[tuple[str, Check]] = [
        ("statements", checks.statements),
        ("signatures", checks.signatures),
        ("chain", checks.links),
        ("data and weights", checks.elsewhere),
        ("split", checks.split),
        ("configuration", checks.configuration),
        ("predictions", soundness.outputs),
        ("predictions", checks.scores),
        ("history", soundness.histories),
        ("selection", soundness.selections),
        ("packages", soundness.packages),
        ("seeds", soundness.seeds),
        ("verdicts", checks.verdicts),
        ("page", checks.page),
        ("handouts", checks.handed_out),
    ]
    for link, check in steps:
        found += _all(link, report, check)
    if anew is not None and not found:
        found += _all("again", report, anew.check)
    if found:
        return Verified(breaks=found, looked=[], notes=[])
    return Verified(breaks=[], looked=_looked(report), notes=[*_notes(report), *(anew.notes(report) if anew else [])])


def _all(link: str, report: Report, check: Check) -> list[Break]:
    """The breaks that a check finds; a file that it cannot read is one."""
    found: list[Break] = []
    try:
        for one in check(report):
            found.append(one)  # noqa: PERF402 # what was found before an error counts
    except InputError as error:
        file, _, text = str(error).replace(f"{report.folder}/", "").partition(": ")
        found.append(Break(link=link, file=file, expected="a file as a run writes it", found=text))
    except (AttributeError, OSError, LookupError, RecursionError, TypeError, ValueError) as error:
        found.append(Break(link=link, file="a file of the report", expected="content of a run", found=repr(error)))
    return found


def _looked(report: Report) -> list[str]:
    derived = [record for record in report.held if report.predictions_of(record).exists()]
    samples = sum(record.test["samples"] for record in derived)
    return [
        f"{len(report.described.files)} files have the bytes that ro-crate-metadata.json lists",
        f"{len(report.stages)} stages: each read what an earlier one wrote",
        f"{len(derived)} result(s) derived anew from {samples} predictions",
        f"{len(report.audit.judgements)} verdicts judged anew; {len(report.required)} numbers and verdicts of the page",
    ]


def _notes(report: Report) -> list[str]:
    notes = [_signer(report)]
    if named := sorted(report.only_named()):
        where = "hashed too" if report.root else "not looked at; --root CHECKOUT hashes them"
        notes.append(f"{len(named)} files outside of the report are named by digest (data, weights, tables): {where}")
    notes += [
        f"{record.experiment}-{record.seed}: its predictions are not here; only its sums were checked"
        for record in report.audit.recorded
        if record not in report.held
    ]
    notes += suspicions(report)
    return notes + [f"packages differ: {text}" for text in report.packages_that_differ()]


def _signer(report: Report) -> str:
    if report.signer is None:
        return "not signed: whoever can write the folder can have made all of it anew"
    name = report.signer.keyid
    if report.pinned is not None:
        return f"signed by the key that --key names, {name}"
    return f"signed by key {name}, which came with the report: --key FILE says whose it has to be"
