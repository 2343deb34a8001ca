"""in-toto Statements of the stages: Statement v1 with the predicate link v0.3.

https://github.com/in-toto/attestation
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.ground.digests import FileDigest
from pipeline.ground.stage_record import StageRecord, path_of
from pipeline.report.bundle import EVIDENCE

METADATA = "ro-crate-metadata.json"
STATEMENTS = Path(EVIDENCE) / "statements"
"""Folder of the statements, of their signatures, and of the key."""
CRATE = "crate"
"""Name of the statement about ro-crate-metadata.json, which lists the digests of all other files."""
ENVELOPE = ".dsse.json"
KEY_FILE = "key.pem"


def statement(record: StageRecord, record_sha256: str) -> dict[str, Any]:
    """The Statement of a stage: its outputs and its record as subjects, its inputs and code as materials."""
    own = FileDigest(path=path_of(record.stage).as_posix(), sha256=record_sha256, bytes=0)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_described(file) for file in (*record.writes, own)],
        "predicateType": "https://in-toto.io/attestation/link/v0.3",
        "predicate": {
            "name": record.stage,
            "command": record.command,
            "materials": [_described(file) for file in (*record.reads, *record.code)],
            "byproducts": {},
            "environment": {part: getattr(record, part) for part in ("python", "packages", "parameters")},
        },
    }


def crate_statement(metadata_sha256: str) -> dict[str, Any]:
    """The Statement about ro-crate-metadata.json, the list of the report's files."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": METADATA, "digest": {"sha256": metadata_sha256}}],
        "predicateType": "https://in-toto.io/attestation/link/v0.3",
        "predicate": {"name": CRATE, "command": [], "materials": [], "byproducts": {}, "environment": {}},
    }


def _described(file: FileDigest) -> dict[str, Any]:
    return {"name": file.path, "digest": {"sha256": file.sha256}}


def as_file(content: dict[str, Any]) -> bytes:
    """The content of evidence/statements/<name>.json."""
    return json.dumps(content, indent=2).encode() + b"\n"


def statement_files(report: Path) -> list[Path]:
    """Paths of all statements of a report, sorted by name."""
    return sorted(path for path in (report / STATEMENTS).glob("*.json") if not path.name.endswith(ENVELOPE))


def is_signed(report: Path) -> bool:
    """Whether the report contains a signature, valid or not."""
    return (report / STATEMENTS / KEY_FILE).exists() or any((report / STATEMENTS).glob(f"*{ENVELOPE}"))


def is_signature(path: Path) -> bool:
    """Whether a file has the name of one that `sresnet sign` adds."""
    return path.parent == STATEMENTS and (path.name == KEY_FILE or path.name.endswith(ENVELOPE))


def signature_names(statements: Iterable[str]) -> set[str]:
    """Paths of the files that `sresnet sign` adds for these statements, which are given by name without .json."""
    folder = STATEMENTS.as_posix()
    return {f"{folder}/{KEY_FILE}", *(f"{folder}/{name}{ENVELOPE}" for name in statements)}
