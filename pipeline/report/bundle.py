"""The report's folder as a reader gets it: the page, and in evidence/ everything that its numbers come from.

evidence/ mirrors the repository: evidence/results/digits/0.json is results/digits/0.json, and so on. Data and weights
stay where they are; the records of the stages name them by digest.
"""

import io
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.evaluate.record import Record
from pipeline.ground.digests import digest_all
from pipeline.ground.files import write_whole
from pipeline.ground.stage_record import path_of
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge.audit import Audit
from pipeline.protocol.curves import curves_path
from pipeline.report.chain import REPORT_STAGE, stages_of
from pipeline.report.split_manifest import SplitManifest

EVIDENCE = "evidence"
SPLITS_FILE = "splits.json"
RUN_FILES = ("config.json", "history.csv", "predictions.parquet")
PARAMETERS = ("profile", "datasets", "experiments", "runs")
"""What the report shows of params.yaml; the rest changes no result."""
DATASET_FILES = ("train.json", "test.json", "contents.arrow")


def path_in_report(report: Path, path: str) -> Path:
    """Where a file of the repository lies in the report's folder, if it lies there at all."""
    folder = f"{REPORT_STAGE}/"
    return report / path.removeprefix(folder) if path.startswith(folder) else report / EVIDENCE / path


def run_folder(record: Record) -> Path:
    """artifacts/<experiment>/<seed>, below the repository or evidence/."""
    return Path("artifacts") / record.experiment / str(record.seed)


def gather(audit: Audit, splits: list[SplitManifest], root: Path, report: Path) -> list[str]:
    """Fills <report>/evidence from the repository `root`; gives the stages that the evidence came from."""
    for path in _evidence_files(audit, root):
        target = report / EVIDENCE / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    content = json.dumps([asdict(split) for split in splits], indent=2).encode() + b"\n"
    write_whole(report / EVIDENCE / SPLITS_FILE, content)
    params, text = read_yaml(root / "params.yaml"), io.StringIO()
    YAML(typ="safe").dump({part: params[part] for part in PARAMETERS}, text)
    write_whole(report / EVIDENCE / "params.yaml", text.getvalue().encode())
    return [*stages_of(_held(audit, root)), REPORT_STAGE]


def inputs(audit: Audit, root: Path) -> list[Path]:
    """The files that the stage `report` reads below the repository `root`, beside params.yaml."""
    examples = (root / run_folder(record) / "examples.parquet" for record in audit.records)
    return [*_evidence_files(audit, root), *examples]


def _evidence_files(audit: Audit, root: Path) -> list[Path]:
    """The files of the repository that come into the evidence."""
    held = _held(audit, root)
    return [root / path for path in _paths(audit, held) if (root / path).exists()]


def _held(audit: Audit, root: Path) -> list[Record]:
    return [*audit.records, *(record for record in audit.recorded if has_predictions(record, root))]


def has_predictions(record: Record, root: Path) -> bool:
    """Whether a training of another profile left the predictions that its record is about."""
    path = root / run_folder(record) / "predictions.parquet"
    return path.exists() and digest_all(root, [path])[0].sha256 == record.digests["predictions"]


def _paths(audit: Audit, held: list[Record]) -> Iterator[Path]:
    yield from (
        Path("CITATION.cff"),
        *_stated(audit),
        *_split_files(held),
    )
    yield from (run_folder(record) / name for record in held for name in RUN_FILES)
    yield from _curves(audit.records)
    yield from map(path_of, stages_of(held))


def _stated(audit: Audit) -> Iterator[Path]:
    yield Path("paper") / "claims.yaml"
    for record in (*audit.records, *audit.recorded):
        yield Path("results") / record.experiment / f"{record.seed}.json"


def _curves(records: Iterable[Record]) -> list[Path]:
    """Recorded curves that the page shows a training beside; not every experiment has some."""
    return sorted({curves_path(Path("results"), record.experiment) for record in records})


def _split_files(records: Iterable[Record]) -> Iterator[Path]:
    datasets = sorted({str(record.dataset["name"]) for record in records})
    yield from (Path("data") / "arrow" / dataset / name for dataset in datasets for name in DATASET_FILES)
