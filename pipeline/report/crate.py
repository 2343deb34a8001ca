"""The report's folder as an RO-Crate (Process Run Crate 0.5): its files, and each stage as an action between files.

https://w3id.org/ro/wfrun/process/0.5 on RO-Crate 1.1. Files of the repository that do not lie in the folder (raw data,
shards, weights) are named by digest.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pipeline.ground.digests import FileDigest, digests_in
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json, sha256, write_whole
from pipeline.ground.stage_record import RECORDS, StageRecord, path_of
from pipeline.ground.yaml_file import read_yaml
from pipeline.report.attestation import CRATE, METADATA, STATEMENTS, crate_statement, statement, write_statement
from pipeline.report.bundle import EVIDENCE, place
from pipeline.report.chain import Break, breaks, read_stage_records

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = {"sha256": "http://schema.org/sha256"}  # RO-Crate 1.1 has no term of its own
LICENCE = "https://spdx.org/licenses/Apache-2.0"
FORMATS = {
    ".html": "text/html",
    ".md": "text/markdown",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """What ro-crate-metadata.json says."""

    files: dict[str, FileDigest]
    """Files of the folder, by path."""
    actions: dict[str, tuple[set[str], set[str]]]
    """Digests that each stage read and wrote."""


def write_crate(report: Path, stages: list[str]) -> list[Break]:
    """Writes the statements of the stages, ro-crate-metadata.json over all files, and the statement about that.

    Gives the places where the chain of the recorded stages does not hold; a reader is told of them too.
    """
    from rocrate.rocrate import ROCrate  # takes a while to import, and `sresnet verify` does without

    folder = report / EVIDENCE / RECORDS
    records = read_stage_records(folder, stages)
    for record in records:
        own = sha256(place(report, path_of(record.stage).as_posix()))
        write_statement(report, record.stage, statement(record, own))
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms = TERMS
    crate.name = "S-ResNet Repro: audit report with its evidence"
    crate.description = "What is claimed, what holds, and the chain from the raw data to each verdict."
    crate.root_dataset["datePublished"] = str(read_yaml(report / EVIDENCE / "CITATION.cff")["date-released"])
    crate.license = _entity(crate, LICENCE, {"@type": "CreativeWork", "name": "Apache License 2.0", "url": LICENCE})
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = _entity(crate, PROFILE, profile)
    listed = [file for file in digests_in(report) if not is_about(Path(file.path))]
    inside = {file.path: _add_file(crate, report, file) for file in listed}
    for record in records:
        _add_action(crate, report, record, inside)
    content = json.dumps(crate.metadata.generate(), indent=2, sort_keys=True).encode() + b"\n"
    write_whole(report / METADATA, content)
    write_statement(report, CRATE, crate_statement(sha256(report / METADATA)))
    return list(breaks(folder, stages))


def is_about(path: Path) -> bool:
    """Whether a file of the folder is the metadata or about it, and so cannot be listed in it."""
    if path.parent != STATEMENTS:
        return path == Path(METADATA)
    return path.name == f"{CRATE}.json" or path.name.endswith((".dsse.json", ".pem"))


def _entity(crate: Any, identifier: str, properties: dict[str, Any]) -> Any:
    from rocrate.model.contextentity import ContextEntity

    return crate.dereference(identifier) or crate.add(ContextEntity(crate, identifier, properties=properties))


def _add_file(crate: Any, report: Path, file: FileDigest) -> Any:
    suffix = Path(file.path).suffix
    properties = {"name": file.path, "sha256": file.sha256, "contentSize": str(file.bytes)}
    properties |= {"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}
    return crate.add_file(report / file.path, file.path, properties=properties)


def _add_action(crate: Any, report: Path, record: StageRecord, inside: dict[str, Any]) -> None:
    def entities(files: Iterable[FileDigest]) -> list[Any]:
        return [_file_entity(crate, report, file, inside) for file in files]

    def path_in_crate(path: str) -> str:
        return place(report, path).relative_to(report).as_posix()

    configuration = [
        _entity(crate, f"#{record.stage}/{key}", {"@type": "PropertyValue", "name": key, "value": json.dumps(value)})
        for key, value in record.parameters.items()
    ]
    own = inside[path_in_crate(path_of(record.stage).as_posix())]
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
    """One entity stands without a list around it: RO-Crate's rule."""
    return entities[0] if len(entities) == 1 else entities


def _file_entity(crate: Any, report: Path, file: FileDigest, inside: dict[str, Any]) -> Any:
    """The file in the folder if these are its bytes, else a name with a digest."""
    entity = inside.get(place(report, file.path).relative_to(report).as_posix())
    if entity is not None and entity["sha256"] == file.sha256:
        return entity
    properties = {"@type": "CreativeWork", "name": file.path, "sha256": file.sha256, "contentSize": str(file.bytes)}
    return _entity(crate, f"#sha256-{file.sha256}-{file.path}", properties)


def _software(crate: Any, record: StageRecord) -> Any:
    """The stage's script with the digest of its code and the packages that it ran with."""
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


def read_crate(report: Path) -> Described:
    """What ro-crate-metadata.json says. Raises InputError."""
    path = report / METADATA
    content = read_json(path, "expected the folder of a report that `dvc repro` made")
    try:
        entities = {entity["@id"]: entity for entity in content["@graph"]}
        files = {
            unquote(name): FileDigest(path=unquote(name), sha256=entity["sha256"], bytes=int(entity["contentSize"]))
            for name, entity in entities.items()
            if entity["@type"] == "File"
        }
        actions = {
            entity["name"]: (_digests(entity, "object", entities), _digests(entity, "result", entities))
            for entity in entities.values()
            if entity["@type"] == "CreateAction"
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not an RO-Crate of this project ({error!r}); make the report again") from None
    return Described(files=files, actions=actions)


def _digests(action: dict[str, Any], part: str, entities: dict[str, Any]) -> set[str]:
    named = action.get(part, [])
    named = named if isinstance(named, list) else [named]
    return {entities[one["@id"]]["sha256"] for one in named if "sha256" in entities[one["@id"]]}
