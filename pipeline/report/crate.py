"""Metadata of the report's folder as an RO-Crate (Process Run Crate 0.5): its files, and an action for each stage.

https://w3id.org/ro/wfrun/process/0.5 on RO-Crate 1.1. Files that are not in the folder (raw data, shards,
weights) are named by digest.
"""

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from pipeline.ground.digests import FileDigest
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json
from pipeline.ground.stage_record import StageRecord, path_of
from pipeline.report.attestation import CRATE, METADATA, STATEMENTS, is_signature
from pipeline.report.bundle import path_in_report

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = {"sha256": "http://schema.org/sha256"}  # RO-Crate 1.1 does not define this term
LICENCE = "https://spdx.org/licenses/Apache-2.0"
_MEDIA_TYPES = {
    ".html": "text/html",
    ".md": "text/markdown",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
}


def crate_metadata(files: list[FileDigest], records: list[StageRecord], released: str) -> bytes:
    """The content of ro-crate-metadata.json: the files of the folder, by their paths there, and the stages' actions."""
    from rocrate.rocrate import ROCrate  # takes a while to import

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms = TERMS
    crate.name = "S-ResNet Repro: audit report with its evidence"
    crate.description = "What is claimed, what holds, and the chain from the raw data to each verdict."
    crate.root_dataset["datePublished"] = released
    crate.license = _entity(crate, LICENCE, {"@type": "CreativeWork", "name": "Apache License 2.0", "url": LICENCE})
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = _entity(crate, PROFILE, profile)
    inside = {file.path: _add_file(crate, file) for file in files}
    for record in records:
        _add_action(crate, record, inside)
    return json.dumps(crate.metadata.generate(), indent=2, sort_keys=True).encode() + b"\n"


def is_about(path: Path) -> bool:
    """Whether a file is the metadata, its statement, or a signature. The metadata cannot list these."""
    return path in (Path(METADATA), STATEMENTS / f"{CRATE}.json") or is_signature(path)


def _entity(crate: Any, identifier: str, properties: dict[str, Any]) -> Any:
    from rocrate.model.contextentity import ContextEntity

    if identifier in crate:  # for a missing identifier, `get` alone searches all entities
        return crate.get(identifier)
    return crate.add(ContextEntity(crate, identifier, properties=properties))


def _add_file(crate: Any, file: FileDigest) -> Any:
    suffix = Path(file.path).suffix
    properties = {"name": file.path, "sha256": file.sha256, "contentSize": str(file.bytes)}
    properties |= {"encodingFormat": _MEDIA_TYPES[suffix]} if suffix in _MEDIA_TYPES else {}
    return crate.add_file(dest_path=file.path, properties=properties)


def _add_action(crate: Any, record: StageRecord, inside: dict[str, Any]) -> None:
    def entities(files: Iterable[FileDigest]) -> list[Any]:
        return [_file_entity(crate, file, inside) for file in files]

    configuration = [
        _entity(crate, f"#{record.stage}/{key}", {"@type": "PropertyValue", "name": key, "value": json.dumps(value)})
        for key, value in record.parameters.items()
    ]
    own = inside[path_in_report(path_of(record.stage).as_posix())]
    action = crate.add_action(
        _software(crate, record),
        identifier=f"#{record.stage}",
        object=_plain([*entities(record.reads), *configuration]),
        result=_plain(entities(record.writes)),
        properties={
            "name": record.stage,
            "description": " ".join(record.command),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    action["subjectOf"] = own
    crate.root_dataset.append_to("mentions", action)


def _plain(entities: list[Any]) -> Any:
    """The entities, without a list if there is only one: RO-Crate's rule."""
    return entities[0] if len(entities) == 1 else entities


def _file_entity(crate: Any, file: FileDigest, inside: dict[str, Any]) -> Any:
    """The file in the folder if its bytes are the same, else an entity with path and digest."""
    entity = inside.get(path_in_report(file.path))
    if entity is not None and entity["sha256"] == file.sha256:
        return entity
    properties = {"@type": "CreativeWork", "name": file.path, "sha256": file.sha256, "contentSize": str(file.bytes)}
    return _entity(crate, f"#sha256-{file.sha256}-{file.path}", properties)


def _software(crate: Any, record: StageRecord) -> Any:
    """An entity for the stage's script, with the digest of its code and the packages that it ran with."""
    name = " ".join(record.command[:3])
    packages = [
        _entity(
            crate,
            f"https://pypi.org/project/{package}/{version}/",
            {"@type": "SoftwareApplication", "name": package, "softwareVersion": version}
            | {"url": f"https://pypi.org/project/{package}/{version}/"},
        )
        for package, version in record.packages.items()
    ]
    digest = record.code_sha256
    properties = {"@type": "SoftwareApplication", "name": name, "softwareVersion": f"SHA-256 of its code {digest}"}
    software = _entity(crate, f"#{record.command[2]}-{digest}", properties)
    software["softwareRequirements"] = packages
    return software


def read_crate(report: Path) -> dict[str, FileDigest]:
    """The files that ro-crate-metadata.json lists, by path. Raises InputError."""
    path = report / METADATA
    content = read_json(path, "expected the folder of a report that `dvc repro` made")
    try:
        files = [_listed(entity) for entity in content["@graph"] if entity["@type"] == "File"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not an RO-Crate of this project ({error!r}); make the report again") from None
    found = {file.path: file for file in files}
    if len(found) < len(files):
        raise InputError(f"{path}: not an RO-Crate of this project (a file is listed twice); make the report again")
    return found


def _listed(entity: dict[str, Any]) -> FileDigest:
    """A listed file; its path may not leave the folder. Raises KeyError, TypeError, ValueError."""
    address, digest, size = entity["@id"], entity["sha256"], entity["contentSize"]
    if not all(isinstance(value, str) for value in (address, digest, size)):
        raise TypeError(f"@id, sha256 and contentSize have to be text, not {[address, digest, size]!r:.200}")
    name = unquote(address, errors="strict")
    parts = PurePosixPath(name).parts
    if name != "/".join(parts) or ".." in parts or not name.isprintable():
        raise ValueError(f"@id {name[:200]!r} is no path in the folder")
    return FileDigest(path=name, sha256=digest, bytes=int(size))
