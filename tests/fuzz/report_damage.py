"""Damaged report folders. Each is determined by the fuzzer's seed and the case number."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.damage import OF_BYTES
from tests.fuzz.folder_damage import OF_TREES
from tests.fuzz.table_damage import OF_ARROW, OF_PARQUET
from tests.fuzz.text_damage import OF_CSV, OF_JSON, OF_LIST, OF_YAML

KINDS = ("list", "json", "yaml", "csv", "parquet", "arrow", "rendered", "tree")
"""Of the file that is damaged; tree: files are added, removed or exchanged for something else."""
OF_KINDS: dict[str, list[Callable[[Random, bytes], bytes]]] = {
    "list": OF_LIST,
    "json": OF_JSON,
    "yaml": OF_YAML,
    "csv": OF_CSV,
    "parquet": OF_PARQUET,
    "arrow": OF_ARROW,
    "rendered": [],
}


@dataclass(frozen=True)
class ReportCase:
    """A damage to do, by its number."""

    seed: int
    number: int
    format: str

    @property
    def drawn(self) -> Random:
        return Random(self.seed << 40 | self.number)


def make_report_case(seed: int, number: int) -> ReportCase:
    return ReportCase(seed, number, KINDS[number % len(KINDS)])


def damage(case: ReportCase, drawn: Random, report: Path) -> str:
    """Damages a report's folder; says how."""
    if case.format == "tree":
        done = drawn.choice(OF_TREES)
        return f"{done.__name__.strip('_')} {done(drawn, report)}"
    path = drawn.choice(_files(report, case.format))
    data = path.read_bytes()
    do = drawn.choice(OF_BYTES if drawn.random() < 0.3 or not OF_KINDS[case.format] else OF_KINDS[case.format])
    path.write_bytes(do(drawn, data))
    return f"{do.__name__.strip('_')} {path.relative_to(report)}"


def _files(report: Path, kind: str) -> list[Path]:
    return sorted(path for path in report.rglob("*") if path.is_file() and kind_of(path.relative_to(report)) == kind)


def kind_of(path: Path) -> str:
    """Which of KINDS a file is."""
    if path.name == "ro-crate-metadata.json":
        return "list"
    if path.parts[0] != "evidence" or "statements" in path.parts:
        return "rendered"
    return {".cff": "yaml"}.get(path.suffix, path.suffix[1:])
