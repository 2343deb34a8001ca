"""What a stage read, wrote and ran with: an output of that stage, without anything that varies from run to run."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.ground.code import CODE, code_files
from pipeline.ground.digests import FileDigest, digest_all
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json, write_whole
from pipeline.ground.yaml_file import read_yaml

RECORDS = Path("records")
"""Folder of the records, below the repository and in a report's evidence."""
PACKAGES = ("torch", "torchvision", "ray", "dvc", "pyarrow", "numpy", "numba", "triton", "tonic", "scikit-learn")
"""What a number can depend on."""


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What a stage that has ended read, wrote and ran with."""

    stage: str
    command: list[str]
    python: str
    packages: dict[str, str]
    parameters: dict[str, Any]
    """Its part of params.yaml, by key."""
    code: list[FileDigest]
    reads: list[FileDigest]
    writes: list[FileDigest]

    @property
    def code_sha256(self) -> str:
        """One digest of its code: the SHA-256 of what `sha256sum` prints for the files in the order of their paths."""
        lines = "".join(f"{file.sha256}  {file.path}\n" for file in self.code)
        return hashlib.sha256(lines.encode()).hexdigest()

    def write(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self), indent=2).encode() + b"\n")


def path_of(stage: str) -> Path:
    """Where the record of a stage lies, below the repository."""
    return RECORDS / f"{stage}.json"


def record_of(name: str, root: Path, known: Mapping[Path, str] | None = None) -> StageRecord:
    """The record of a stage that has ended, by what dvc.yaml says of it. `known` are digests of files just written."""
    said = declared(name, root)
    outs = [out for part in ("outs", "metrics", "plots") for out in said[part] if out != path_of(name).as_posix()]
    reads = [dep for dep in said["deps"] if not is_code(dep)]
    return made_record(
        name,
        root,
        reads=digest_all(root, [root / dep for dep in reads]),
        writes=digest_all(root, [root / out for out in outs], known),
    )


def made_record(name: str, root: Path, *, reads: list[FileDigest], writes: list[FileDigest]) -> StageRecord:
    """The record of a stage that says itself what it read and wrote."""
    stage, _, key = name.partition("@")
    said, params = declared(name, root), read_yaml(root / "params.yaml")
    return StageRecord(
        stage=name,
        command=["python", "-m", f"stages.{stage}", *([key] if key else [])],
        python=platform.python_version(),
        packages=packages(),
        parameters={one: reduce(lambda part, step: part[step], one.split("."), params) for one in said["params"]},
        code=digest_all(root, code_of(stage, root)),
        reads=reads,
        writes=writes,
    )


def declared(name: str, root: Path) -> dict[str, list[str]]:
    """What dvc.yaml says of a stage: deps, params, outs, metrics and plots, with the names of this one filled in."""
    stage, _, key = name.partition("@")
    entry, runs = _entry(stage, root), read_yaml(root / "params.yaml")["runs"]
    values = {"key": key} | {f"item.{part}": str(value) for part, value in runs.get(key, {}).items()}

    def filled(listed: Sequence[Any]) -> list[str]:
        paths = (one if isinstance(one, str) else str(next(iter(one))) for one in listed)
        return [re.sub(r"\$\{(.+?)\}", lambda found: values[found[1]], path) for path in paths]

    return {part: filled(entry.get(part, ())) for part in ("deps", "params", "outs", "metrics", "plots")}


def code_of(stage: str, root: Path) -> list[Path]:
    """The files of code that a stage of dvc.yaml depends on; tests/test_rooms.py proves that none is missing there."""
    return code_files(filter(is_code, _entry(stage, root)["deps"]), root)


def _entry(stage: str, root: Path) -> dict[str, Any]:
    entry: dict[str, Any] = read_yaml(root / "dvc.yaml")["stages"][stage]
    return entry.get("do", entry)


def is_code(dep: str) -> bool:
    """Whether a dependency in dvc.yaml is code."""
    return dep.split("/", maxsplit=1)[0] in CODE


def read_stage_record(path: Path) -> StageRecord:
    """The content of records/<stage>.json. Raises InputError."""
    content = read_json(path, "the stage writes it when it runs")
    try:
        files = {name: [FileDigest(**file) for file in content[name]] for name in ("code", "reads", "writes")}
        return StageRecord(**content | files)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a record of a stage ({error}); run the stage again") from None


def packages() -> dict[str, str]:
    """Installed versions of what a number can depend on; triton is not there on every system."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
