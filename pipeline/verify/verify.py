"""`sresnet verify`: checks a report's folder offline, without torch, from its own files.

It checks every signature and every link of the chain, derives every number and verdict again from the predictions, and
renders every page again and compares it byte for byte. docs/verify.md says what that proves.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.judge.answered import SCORED
from pipeline.judge.chain import Break
from pipeline.judge.seal import seal_lines
from pipeline.report.attestation import METADATA
from pipeline.verify import folder_checks, origin_checks, result_checks, soundness, titles, weights
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.suspicions import suspicions

Check = Callable[[ReportFolder], Iterator[Break]]
UNNAMED = "a file of the report"
"""File name of a break if the error names no file."""


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """A check that recomputes from data and weights, with its notes."""

    check: Check
    notes: Callable[[ReportFolder], Iterator[str]]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The result of a verification."""

    breaks: list[Break]
    """Failures, in the order of the chain; empty if everything holds."""
    looked: list[str]
    """What was checked, in words."""
    notes: list[str]
    """What a reader should know, and what was not checked."""


def verify(
    folder: Path, key: Path | None = None, root: Path | None = None, anew: Recomputation | None = None
) -> Verified:
    """Checks a report's folder. Raises InputError for a folder that is not a report, and for a bad key.

    `key` pins whose signatures count; `root` is a checkout whose data are hashed too; `anew` recomputes from the data
    and weights there (recompute.AGAIN, which needs torch).
    """
    pinned = None
    if key is not None:
        from pipeline.report.signing import read_public_key  # takes a while to import

        pinned = read_public_key(key)
    report = ReportFolder(folder, pinned, root)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a report folder made by `dvc repro`")
    if not os.path.lexists(folder / METADATA):
        raise InputError(f"{folder}: no {METADATA} in it; expected a report folder made by `dvc repro`")
    found = _broken(report)
    if anew is not None and not found:
        found, _ = _all("again", report, anew.check)
    if found:
        return Verified(breaks=found, looked=[], notes=[])
    return Verified(
        breaks=[],
        looked=_looked(report),
        notes=[*_notes(report, again=anew is not None), *(anew.notes(report) if anew else [])],
    )


def _broken(report: ReportFolder) -> list[Break]:
    """The failures of a folder. Raises InputError for a folder that is not a report."""
    found, _ = _all("files", report, folder_checks.plain_files)
    if found:
        return found
    if not report.listed:
        raise InputError(f"{report.folder}: it lists no files; expected the folder of a report")
    steps: list[tuple[str, Check]] = [
        ("files", folder_checks.listed_files),
        ("signatures", folder_checks.signatures),
        ("chain", origin_checks.links),
        ("data and weights", origin_checks.files_in_checkout),
        ("checkout", origin_checks.checkout),
        ("claims", origin_checks.claims),
        ("measurements", origin_checks.measurements),
        ("title", titles.titles),
        ("split", result_checks.split),
        ("configuration", result_checks.configuration),
        ("predictions", soundness.outputs),
        ("predictions", result_checks.scores),
        ("answers", result_checks.committed_answers),
        ("split", result_checks.samples_of_rows),
        ("history", soundness.histories),
        ("selection", soundness.selections),
        ("packages", soundness.packages),
        ("seeds", soundness.seeds),
        ("seeds", weights.copies),
        ("weights", weights.parameters),
        ("page", folder_checks.rendering),
    ]
    for link, check in steps:
        if link == "page" and any(one.link == "predictions" for one in found):
            break  # the page would be rendered from wrong results
        more, read = _all(link, report, check)
        found += more
        if not read:  # later checks need the file that cannot be read
            break
    return found


def _all(link: str, report: ReportFolder, check: Check) -> tuple[list[Break], bool]:
    """The failures that a check finds, and whether it could read everything; an unreadable file is a failure."""
    found: list[Break] = []
    try:
        for one in check(report):
            found.append(one)  # noqa: PERF402 # keep what was found before an error
    except InputError as error:
        file, _, text = str(error).replace(f"{report.folder}/", "").partition(": ")
        found.append(Break(link=link, file=file, expected="a file as a stage writes it", found=text))
    except OSError as error:
        file = str(error.filename or report.folder).replace(f"{report.folder}/", "")
        reason = error.strerror or str(error)
        found.append(Break(link=link, file=file, expected="a file that can be read", found=reason))
    except Exception as error:  # whatever a damaged file causes, a check must report it in a line
        found.append(Break(link=link, file=UNNAMED, expected="content that this check can read", found=repr(error)))
    else:
        return found, True
    return found, False


def _looked(report: ReportFolder) -> list[str]:
    derived, recorded = report.audit.records, report.audit.recorded
    samples = sum(record.test["samples"] for record in derived)
    return [
        f"{len(report.sources)} files of evidence; {len(report.rendered)} others equal those rendered again from it",
        f"{len(report.stages)} stages: each read what an earlier one wrote",
        f"{len(derived)} result(s) derived again from {samples} predictions, {len(recorded)} recorded from answers",
        f"{len(report.audit.judgements)} verdicts judged again",
    ]


def _notes(report: ReportFolder, *, again: bool) -> list[str]:
    notes = [_signer(report), *seal_lines(report.evidence, report.audit)]
    if named := sorted(report.only_named()):
        where = "hashed too" if report.root else "not checked; --root CHECKOUT hashes them"
        notes.append(f"{len(named)} files outside the report are named by digest (data, weights, tables): {where}")
    if recorded := report.audit.recorded:
        notes.append(f"{len(recorded)} recorded result(s): {SCORED}")
    if unchecked := report.audit.unchecked:
        notes.append(f"{len(unchecked)} recorded result(s) without answers are not checked and do not affect verdicts")
    if report.root is None and (stated := _on_weights(report)):
        notes.append(f"{', '.join(stated)}: about weights that are not here; --root compares them")
    if report.audit.measured and not again:
        notes.append(
            "sizes and agreement with the authors' numbers are as stated; --root CHECKOUT --again measures them"
        )
    notes += suspicions(report)
    notes += report.strayed
    return notes + [f"packages differ: {text}" for text in report.packages_that_differ()]


def _on_weights(report: ReportFolder) -> list[str]:
    """Claims whose verdict relies on what records state about the digest of their weights."""
    pairs = zip(report.audit.claims, report.audit.judgements, strict=True)
    return [claim.id for claim, judged in pairs if claim.kind == "weights" and judged.evidence]


def _signer(report: ReportFolder) -> str:
    if report.signer is None:
        return "not signed: anyone who can write the folder can have replaced all of it"
    name = report.signer.keyid
    if report.pinned is not None:
        return f"signed by the key that --key names, {name}"
    return f"signed by key {name}, which came with the report: use --key FILE to say whose it must be"
