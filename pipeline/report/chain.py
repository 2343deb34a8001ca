"""The chain raw -> shards -> split -> configuration -> weights -> predictions -> verdict, from the stages' records.

A link holds where a stage read the very bytes that an earlier stage wrote.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluate.record import Record
from pipeline.ground.digests import FileDigest
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json

RECORDS = Path("runs") / "records"
REPORT = "report"


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What one stage read, wrote and ran on, as pipeline/ground/stage.py records it."""

    stage: str
    command: list[str]
    began: str
    seconds: float
    peak_memory_bytes: int
    host: str
    platform: str
    cpus: int
    memory_bytes: int
    python: str
    packages: dict[str, str]
    note: str
    parameters: dict[str, Any]
    code: list[FileDigest]
    reads: list[FileDigest]
    writes: list[FileDigest]

    def environment(self) -> dict[str, Any]:
        """Everything but files, command and parameters."""
        kept = ("command", "parameters", "code", "reads", "writes")
        return {name: value for name, value in asdict(self).items() if name not in kept}


@dataclass(frozen=True, kw_only=True)
class Break:
    """A place where the chain does not hold, in plain words."""

    link: str
    """Which step of the chain."""
    file: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.link}: {self.file}: expected {self.expected}, found {self.found}"


def read_stage_record(path: Path) -> StageRecord:
    """The content of runs/records/<stage>.json. Raises InputError."""
    content = read_json(path, "the stage writes it when it runs")
    try:
        files = {name: [FileDigest(**file) for file in content[name]] for name in ("code", "reads", "writes")}
        return StageRecord(**content | files)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a record of a stage ({error}); run the stage again") from None


def stages_of(records: Iterable[Record]) -> list[str]:
    """Names of the DVC stages that these records came from, in the order in which they depend on each other."""
    records = list(records)
    datasets = sorted({str(record.dataset["name"]) for record in records})
    runs = sorted({(record.experiment, record.seed) for record in records})
    return [f"{stage}@{dataset}" for dataset in datasets for stage in ("download", "preprocess")] + [
        f"{stage}@{experiment}-{seed}" for experiment, seed in runs for stage in ("train", "evaluate")
    ]


def read_stage_records(folder: Path, stages: Iterable[str]) -> list[StageRecord]:
    """Records of these stages that are there and have the form of today, in the order of `stages`."""
    found = []
    for stage in stages:
        try:
            found.append(read_stage_record(folder / f"{stage}.json"))
        except InputError:
            continue
    return found


def breaks(records: list[StageRecord], stages: Iterable[str]) -> Iterator[Break]:
    """Where the chain does not hold: a stage without record, or one that read what no stage before it wrote."""
    by_stage, written = {record.stage: record for record in records}, dict[str, tuple[str, str]]()
    for stage in stages:
        record = by_stage.get(stage)
        if record is None:
            where = (RECORDS / f"{stage}.json").as_posix()
            yield Break(link=stage, file=where, expected="a record of what the stage read and wrote", found="none")
            continue
        yield from _unwritten(record, written)
        written |= {file.path: (stage, file.sha256) for file in record.writes}


def _unwritten(record: StageRecord, written: dict[str, tuple[str, str]]) -> Iterator[Break]:
    """Files that a stage read with other bytes than an earlier stage wrote them, or that none wrote."""
    for file in record.reads:
        if file.path in written and written[file.path][1] != file.sha256:
            maker, sha256 = written[file.path]
            expected = f"SHA-256 {sha256} as {maker} wrote it"
            yield Break(link=record.stage, file=file.path, expected=expected, found=file.sha256)
        elif file.path not in written and file.path.startswith(("data/", "artifacts/")):
            yield Break(link=record.stage, file=file.path, expected="a file that an earlier stage wrote", found="none")
