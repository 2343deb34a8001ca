"""Writes the report's folder: evidence/, copied from the repository, and all files that are rendered from it.

`sresnet verify` renders the evidence again and compares the bytes, so a page may depend on nothing else.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.ground.digests import FileDigest, digest_of
from pipeline.ground.files import sha256, write_whole
from pipeline.ground.stage_record import RECORDS, Plan, StageRecord, path_of
from pipeline.judge.audit import Audit
from pipeline.judge.chain import REPORT_STAGE, Break, breaks, read_stage_records
from pipeline.report import bundle
from pipeline.report.attestation import CRATE, METADATA, STATEMENTS, as_file, crate_statement, statement
from pipeline.report.bundle import EVIDENCE, path_in_report
from pipeline.report.citation import date_released
from pipeline.report.crate import crate_metadata
from pipeline.report.page import make_page, page_files
from pipeline.report.split_manifest import SplitManifest, split_manifest
from pipeline.report.vega import vega_script

SPLITS_FILE = f"{EVIDENCE}/splits.json"


def write_report(audit: Audit, root: Path, folder: Path) -> list[Break]:
    """Fills an empty folder from the repository `root` and returns the breaks in the chain of the recorded stages.

    Raises InputError.
    """
    own = Plan.read(REPORT_STAGE, root).record(reads=[], writes=[])
    evidence = folder / EVIDENCE
    bundle.gather(audit, root, evidence)
    for name, content in rendered(evidence, audit, sources(audit, evidence), own, vega_script()).items():
        write_whole(folder / name, content)
    stages = [*audit.stages, REPORT_STAGE]
    return list(breaks(evidence / RECORDS, stages))


def sources(audit: Audit, evidence: Path, digest: Callable[[Path], str] = sha256) -> list[FileDigest]:
    """Path relative to `evidence`, digest and size of each file that was copied into it."""
    paths = [*bundle.evidence_files(audit, evidence), evidence / "params.yaml"]
    return [
        FileDigest(path=path.relative_to(evidence).as_posix(), sha256=digest(path), bytes=path.stat().st_size)
        for path in paths
    ]


def rendered(evidence: Path, audit: Audit, sources: list[FileDigest], own: StageRecord, vega: str) -> dict[str, bytes]:
    """Every file of a report's folder except `sources`, by its path there. Depends only on the arguments.

    `own` names the code and packages of the stage `report`; `vega` is the script that draws the page's charts.
    Raises InputError.
    """
    splits = split_manifests(audit, evidence)
    shown = page_files(make_page(audit, evidence, splits), vega) | {"audit.json": audit.as_json()}
    reads = [file for file in sources if file.path != "params.yaml"]
    writes = [digest_of(f"{REPORT_STAGE}/{name}", content) for name, content in sorted(shown.items())]
    own = replace(own, reads=reads, writes=writes)
    records = [*read_stage_records(evidence / RECORDS, audit.stages), own]
    files = shown | {
        SPLITS_FILE: json.dumps([asdict(split) for split in splits], indent=2).encode() + b"\n",
        path_in_report(path_of(REPORT_STAGE).as_posix()): own.as_json(),
    }
    return files | _described(files, records, sources, evidence)


def _described(
    files: dict[str, bytes], records: list[StageRecord], sources: list[FileDigest], evidence: Path
) -> dict[str, bytes]:
    """The statements about the stages, and ro-crate-metadata.json about all files."""
    listed = {path_in_report(file.path): replace(file, path=path_in_report(file.path)) for file in sources}
    listed |= {name: digest_of(name, content) for name, content in files.items()}
    described = {}
    for record in records:
        digest = listed[path_in_report(path_of(record.stage).as_posix())].sha256
        described[f"{STATEMENTS.as_posix()}/{record.stage}.json"] = as_file(statement(record, digest))
    listed |= {name: digest_of(name, content) for name, content in described.items()}
    released = date_released(evidence / "CITATION.cff")
    metadata = crate_metadata(sorted(listed.values(), key=lambda file: file.path), records, released)
    about = as_file(crate_statement(digest_of(METADATA, metadata).sha256))
    return described | {METADATA: metadata, f"{STATEMENTS.as_posix()}/{CRATE}.json": about}


def split_manifests(audit: Audit, root: Path) -> list[SplitManifest]:
    """One manifest per dataset of this profile and size of its validation part."""
    used = {(str(record.dataset["name"]), record.training["validation_percent"]) for record in audit.records}
    return [split_manifest(name, root / "data" / "arrow" / name, percent) for name, percent in sorted(used)]
