"""The chain raw -> shards -> split -> configuration -> weights -> predictions -> verdict, from the stages' records.

A link holds if a stage read exactly the bytes that an earlier stage wrote.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.evaluate.record import Record
from pipeline.ground.errors import InputError
from pipeline.ground.stage_record import StageRecord, path_of, read_stage_record

REPORT_STAGE = "report"
"""Name of the stage, and of its folder."""
_SHARDS = "data/arrow/"
_TRAINED = ("model.safetensors", "config.json", "history.csv")


@dataclass(frozen=True, kw_only=True)
class Break:
    """A place where the chain does not hold, as text."""

    link: str
    """The step of the chain, for instance a stage."""
    file: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.link}: {self.file}: expected {self.expected}, found {self.found}"


def stages_of(records: Iterable[Record]) -> list[str]:
    """Names of the DVC stages that made these records, in order of their dependencies."""
    records = list(records)
    datasets = sorted({str(record.dataset["name"]) for record in records})
    runs = sorted({(record.experiment, record.seed) for record in records})
    return [f"{stage}@{dataset}" for dataset in datasets for stage in ("download", "preprocess")] + [
        f"{stage}@{experiment}-{seed}" for experiment, seed in runs for stage in ("train", "evaluate")
    ]


def read_stage_records(folder: Path, stages: Iterable[str]) -> list[StageRecord]:
    """The records of these stages, in the order of `stages`, without missing and damaged ones; `breaks` names those."""
    found = (_record_or_why_not(folder, stage) for stage in stages)
    return [record for record in found if isinstance(record, StageRecord)]


def breaks(folder: Path, stages: Iterable[str]) -> Iterator[Break]:
    """Breaks of the chain: missing or damaged records, and stages that did not read what earlier stages wrote."""
    written: dict[str, tuple[str, str]] = {}
    for stage in stages:
        record = _record_or_why_not(folder, stage)
        if isinstance(record, str):
            file, expected = path_of(stage).as_posix(), "a record of what the stage read and wrote"
            yield Break(link=stage, file=file, expected=expected, found=record)
            continue
        yield from _unwritten(record, written)
        yield from _unread(record, written)
        written |= {file.path: (stage, file.sha256) for file in record.writes}


def _record_or_why_not(folder: Path, stage: str) -> StageRecord | str:
    path = folder / f"{stage}.json"
    if not path.exists():
        return "none"
    try:
        return read_stage_record(path)
    except InputError as error:
        return f"a damaged one, {str(error).removeprefix(f'{path}: ')}"


def _unwritten(record: StageRecord, written: dict[str, tuple[str, str]]) -> Iterator[Break]:
    """Files that a stage read, but that no earlier stage wrote, or wrote with other bytes."""
    for file in record.reads:
        if file.path in written and written[file.path][1] != file.sha256:
            maker, sha256 = written[file.path]
            expected = f"SHA-256 {sha256} as {maker} wrote it"
            yield Break(link=record.stage, file=file.path, expected=expected, found=file.sha256)
        elif file.path not in written and file.path.startswith(("data/", "artifacts/")):
            yield Break(link=record.stage, file=file.path, expected="a file that an earlier stage wrote", found="none")


def _unread(record: StageRecord, written: dict[str, tuple[str, str]]) -> Iterator[Break]:
    """Files of earlier stages that a stage must read according to dvc.yaml but did not, and a stage without outputs."""
    reads = {file.path for file in record.reads}
    for folder in _inputs(record):
        there = {path for path in written if path.startswith(folder)}
        for path in sorted(there - reads):
            expected = f"among what the stage read, since {written[path][0]} wrote it"
            yield Break(link=record.stage, file=path, expected=expected, found="not read")
        if not there:
            yield Break(link=record.stage, file=folder, expected="files that an earlier stage wrote", found="none")
    if not record.writes:
        file = path_of(record.stage).as_posix()
        yield Break(link=record.stage, file=file, expected="the files that the stage wrote", found="none")


def _inputs(record: StageRecord) -> list[str]:
    """Path prefixes of the inputs of a stage; it must read every file that starts with one."""
    stage, _, key = record.stage.partition("@")
    if stage == "preprocess":
        return [f"data/raw/{key}/"]
    if stage not in ("train", "evaluate"):
        return []
    shards = sorted({f"{file.path.rpartition('/')[0]}/" for file in record.reads if file.path.startswith(_SHARDS)})
    trained = [f"artifacts/{key.rpartition('-')[0]}/{key.rpartition('-')[2]}/{name}" for name in _TRAINED]
    return [*(shards or [_SHARDS]), *(trained if stage == "evaluate" else [])]
