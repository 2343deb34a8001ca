"""Checks of a report folder: its files, their list and signatures, and the pages that follow from the evidence."""

import stat
from collections.abc import Iterator
from itertools import takewhile, zip_longest
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.files import MOST_LEVELS, TOO_DEEP
from pipeline.ground.stage_record import path_of
from pipeline.judge.chain import REPORT_STAGE, Break
from pipeline.report import attestation, crate
from pipeline.report.bundle import EVIDENCE, path_in_report
from pipeline.verify.report_folder import ReportFolder

_PLAIN = "a plain file (`cp -RL` copies a folder without links)"
_WIDTH = 160
"""Number of characters shown of a line in which two files differ."""


def plain_files(report: ReportFolder) -> Iterator[Break]:
    """The folder contains only regular files and folders: no link points outside it, no pipe blocks reading."""
    waiting = [report.folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if stat.S_ISDIR(mode := path.lstat().st_mode):
                if len(path.relative_to(report.folder).parts) > MOST_LEVELS:
                    raise InputError(f"{path}: {TOO_DEEP}")
                waiting.append(path)
            elif not stat.S_ISREG(mode):
                kind = "a link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
                yield Break(link="files", file=report.name(path), expected=_PLAIN, found=kind)


def listed_files(report: ReportFolder) -> Iterator[Break]:
    """Every file has the digest that ro-crate-metadata.json lists, and there are no other files."""
    there = {report.name(path): path for path in sorted(report.folder.rglob("*")) if path.is_file()}
    for file in report.listed.values():
        expected = f"SHA-256 {file.sha256} as {attestation.METADATA} lists it"
        if file.path not in there:
            yield Break(link="files", file=file.path, expected=expected, found="no such file")
        elif (found := report.sha256(there[file.path])) != file.sha256:
            yield Break(link="files", file=file.path, expected=expected, found=found)
    for name in there:
        if name not in report.listed and not crate.is_about(Path(name)):
            expected = f"only files that {attestation.METADATA} lists"
            yield Break(link="files", file=name, expected=expected, found="this one")


def signatures(report: ReportFolder) -> Iterator[Break]:
    """If the report is signed, or a key is pinned, every statement has a valid signature by that one key."""
    if report.signer is None:
        return
    if not attestation.is_signed(report.folder):
        expected = f"signatures of key {report.signer.keyid}"
        yield Break(link="signatures", file=attestation.STATEMENTS.as_posix(), expected=expected, found="none")
        return
    from pipeline.report.signing import signature_breaks

    yield from signature_breaks(report.folder, report.signer)


def rendering(report: ReportFolder) -> Iterator[Break]:
    """Page, verdicts, tables, badges, cards, statements and file list equal, byte for byte, those rendered from the
    evidence; apart from them and the evidence, the folder contains only signatures.
    """
    found = [*_unknown_files(report), *_other_bytes(report)]
    if found and (changed := report.other_makers()):
        expected = "the code and packages that verify; a report of another commit is verified by that commit"
        named = f"{', '.join(changed[:3])}{' and others' if len(changed) > 3 else ''}"
        yield Break(link="page", file=f"{EVIDENCE}/{path_of(REPORT_STAGE)}", expected=expected, found=named)
    yield from found


def _unknown_files(report: ReportFolder) -> Iterator[Break]:
    known = {*report.rendered, *(path_in_report(file.path) for file in report.sources)}
    known |= attestation.signature_names([*report.stages, attestation.CRATE]) if report.signer else set()
    for path in sorted(report.folder.rglob("*")):
        if path.is_file() and (name := report.name(path)) not in known:
            yield Break(link="page", file=name, expected="only files that follow from the evidence", found="this one")


def _other_bytes(report: ReportFolder) -> Iterator[Break]:
    for name, content in report.rendered.items():
        path = report.folder / name
        found = path.read_bytes() if path.is_file() else None
        if found != content:
            yield Break(link="page", file=name, **_first_difference(content, found))


def _first_difference(expected: bytes, found: bytes | None) -> dict[str, str]:
    """The first line in which a file differs from the expected one."""
    if found is None:
        return {"expected": "this file, as the evidence gives it", "found": "no such file"}
    texts = (text.decode(errors="replace").split("\n") for text in (expected, found))
    for number, (one, other) in enumerate(zip_longest(*texts, fillvalue=""), 1):
        if one != other:
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
            start = max(0, same - _WIDTH // 2)
            cut = slice(start, start + _WIDTH)
            return {"expected": f"line {number} {one[cut]!r}, as the evidence gives it", "found": repr(other[cut])}
    return {"expected": "the text that the evidence gives", "found": "bytes that are no text"}
