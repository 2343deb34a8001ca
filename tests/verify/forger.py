"""Does what a careful forger does after an edit of a report: recomputes every digest in the folder."""

from dataclasses import replace
from pathlib import Path

from pipeline.ground.digests import FileDigest, digest_of
from pipeline.ground.files import sha256
from pipeline.ground.stage_record import RECORDS, path_of, read_stage_record
from pipeline.ground.yaml_file import read_yaml
from pipeline.report.attestation import CRATE, METADATA, STATEMENTS, as_file, crate_statement, statement
from pipeline.report.bundle import EVIDENCE, path_in_report
from pipeline.report.crate import crate_metadata, is_about


def mend(report: Path, stages: list[str]) -> None:
    """`stages` are those of the records in the folder, in the order of the chain."""
    for stage in stages:
        mend_record(report, report / path_in_report(path_of(stage).as_posix()))
    records = [read_stage_record(report / EVIDENCE / path_of(stage)) for stage in stages]
    for record in records:
        digest = sha256(report / EVIDENCE / RECORDS / f"{record.stage}.json")
        (report / STATEMENTS / f"{record.stage}.json").write_bytes(as_file(statement(record, digest)))
    listed = [file for file in digests(report) if not is_about(Path(file.path))]
    released = str(read_yaml(report / EVIDENCE / "CITATION.cff")["date-released"])
    metadata = crate_metadata(listed, records, released)
    (report / METADATA).write_bytes(metadata)
    about = crate_statement(digest_of(METADATA, metadata).sha256)
    (report / STATEMENTS / f"{CRATE}.json").write_bytes(as_file(about))


def mend_record(report: Path, path: Path) -> None:
    record = read_stage_record(path)
    reads, writes = ([_of_today(report, file) for file in files] for files in (record.reads, record.writes))
    replace(record, reads=reads, writes=writes).write(path)


def _of_today(report: Path, file: FileDigest) -> FileDigest:
    path = report / path_in_report(file.path)
    return replace(file, sha256=sha256(path), bytes=path.stat().st_size) if path.is_file() else file


def digests(folder: Path) -> list[FileDigest]:
    """Of all files in a folder, by their paths below it."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [digest_of(name, (folder / name).read_bytes()) for name in names]
