"""The record of a stage: what it read, wrote and ran with. It is a deterministic output of the stage."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

from models.bounds import STRICT
from pipeline.ground.code import CODE, code_files
from pipeline.ground.digests import FileDigest, digest_all
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.schema import read_as
from pipeline.ground.yaml_file import read_yaml

RECORDS = Path("records")
"""Folder of the records, in the repository and in a report's evidence."""
_PACKAGES = (
    *("torch", "torchvision", "ray", "dvc", "pyarrow", "numpy", "numba", "triton", "tonic", "scikit-learn"),
    *("jinja2", "pillow", "rocrate", "ruamel.yaml", "vl-convert-python"),
)
"""Packages that can change a result or a byte of the report."""


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What a finished stage read, wrote and ran with."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    stage: str
    command: list[str]
    python: str
    packages: dict[str, str]
    parameters: dict[str, Any]
    """The values from params.yaml that it depends on, by key."""
    code: list[FileDigest]
    reads: list[FileDigest]
    writes: list[FileDigest]

    @property
    def code_sha256(self) -> str:
        """Digest of its code: the SHA-256 of the output of `sha256sum` for the files, sorted by path."""
        lines = "".join(f"{file.sha256}  {file.path}\n" for file in self.code)
        return hashlib.sha256(lines.encode()).hexdigest()

    def as_json(self) -> bytes:
        """The content of its file."""
        return json.dumps(asdict(self), indent=2).encode() + b"\n"

    def write(self, path: Path) -> None:
        write_whole(path, self.as_json())


def path_of(stage: str) -> Path:
    """Path of a stage's record, relative to the repository."""
    return RECORDS / f"{stage}.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a stage is about to run with; read before it runs, because files may be edited meanwhile."""

    name: str
    root: Path
    entry: dict[str, Any]
    """The stage's entry in dvc.yaml."""
    params: dict[str, Any]
    code: list[FileDigest]

    @staticmethod
    def read(name: str, root: Path) -> "Plan":
        """The plan of a stage, with digests of its code. Raises InputError."""
        entry, params = _entry(name.partition("@")[0], root), read_yaml(root / "params.yaml")
        code = digest_all(root, code_of(name.partition("@")[0], root))
        return Plan(name=name, root=root, entry=entry, params=params, code=code)

    def listed(self, *parts: str) -> list[str]:
        """What dvc.yaml lists under deps, params, outs, metrics or plots, with the names of this stage filled in."""
        key = self.name.partition("@")[2]
        run = self.params["runs"].get(key, {})
        values = {"key": key} | {f"item.{part}": str(value) for part, value in run.items()}
        paths = [
            path if isinstance(path, str) else str(next(iter(path)))
            for part in parts
            for path in self.entry.get(part, ())
        ]
        return [re.sub(r"\$\{(.+?)\}", lambda found: values[found[1]], path) for path in paths]

    def has_record(self) -> bool:
        """Whether the record is an output of the stage in dvc.yaml; the report contains its own."""
        return path_of(self.name).as_posix() in self.listed("outs")

    def done(self, known: Mapping[Path, str]) -> StageRecord:
        """The record of the finished stage. `known` holds digests of files that it has just written."""
        outs = [out for out in self.listed("outs", "metrics", "plots") if out != path_of(self.name).as_posix()]
        reads = [dep for dep in self.listed("deps") if not is_code(dep)]
        return self.record(
            reads=digest_all(self.root, [self.root / dep for dep in reads]),
            writes=digest_all(self.root, [self.root / out for out in outs], known),
        )

    def record(self, *, reads: list[FileDigest], writes: list[FileDigest]) -> StageRecord:
        """The record, with given digests of what the stage read and wrote."""
        stage, _, key = self.name.partition("@")
        return StageRecord(
            stage=self.name,
            command=["python", "-m", f"stages.{stage}", *([key] if key else [])],
            python=platform.python_version(),
            packages=installed_packages(),
            parameters={
                one: reduce(lambda part, step: part[step], one.split("."), self.params) for one in self.listed("params")
            },
            code=self.code,
            reads=reads,
            writes=writes,
        )


def code_of(stage: str, root: Path) -> list[Path]:
    """The code files that a stage of dvc.yaml depends on; tests/test_rooms.py checks that the list is complete."""
    return code_files(filter(is_code, _entry(stage, root)["deps"]), root)


def _entry(stage: str, root: Path) -> dict[str, Any]:
    entry: dict[str, Any] = read_yaml(root / "dvc.yaml")["stages"][stage]
    return entry.get("do", entry)


def is_code(dep: str) -> bool:
    """Whether a dependency in dvc.yaml is code."""
    return dep.split("/", maxsplit=1)[0] in CODE


def read_stage_record(path: Path) -> StageRecord:
    """The content of records/<stage>.json. Raises InputError."""
    remedy = f"`dvc repro --force --single-item {path.stem}` writes it"
    record = read_as(StageRecord, path, "a record of a stage", remedy)
    if record.stage != path.stem:
        raise InputError(f"{path}: the record of another stage, {record.stage}; {remedy}")
    return record


def installed_packages() -> dict[str, str]:
    """Installed versions of _PACKAGES; a package that is not installed, such as triton, is left out."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
