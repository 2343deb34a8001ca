"""Copies into the report's evidence/ all files that its numbers are computed from.

evidence/ mirrors the repository: evidence/results/digits/0.json is results/digits/0.json, and so on. Data and weights
are not copied; the records of the stages name them by digest.
"""

import io
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.evaluate.record import Record
from pipeline.ground.files import write_whole
from pipeline.ground.stage_record import path_of
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge.ablations import ABLATIONS
from pipeline.judge.answered import answers_path
from pipeline.judge.audit import Audit, run_folder
from pipeline.judge.chain import REPORT_STAGE
from pipeline.judge.measured import MEASURED
from pipeline.judge.seal import SEAL
from pipeline.protocol.curves import curves_path
from pipeline.report.undecided import COSTS

EVIDENCE = "evidence"
PREDICTIONS = "predictions.parquet"
RUN_FILES = ("config.json", "history.csv", PREDICTIONS)
PICTURES = "examples.parquet"
PARAMETERS = ("profile", "datasets", "experiments", "runs")
"""The parts of params.yaml that the report shows. The others do not change results."""
DATASET_FILES = ("train.json", "test.json", "contents.arrow")


def path_in_report(path: str) -> str:
    """Path in the report's folder of a file of the repository, whether or not it is there."""
    return path.removeprefix(f"{REPORT_STAGE}/") if path.startswith(f"{REPORT_STAGE}/") else f"{EVIDENCE}/{path}"


def gather(audit: Audit, root: Path, target: Path) -> None:
    """Fills the folder `target` with the evidence of the repository `root`."""
    for path in evidence_files(audit, root):
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    params, text = read_yaml(root / "params.yaml"), io.StringIO()
    YAML(typ="safe").dump({part: params[part] for part in PARAMETERS}, text)
    write_whole(target / "params.yaml", text.getvalue().encode())


def evidence_files(audit: Audit, root: Path) -> list[Path]:
    """The files that a report is based on, without params.yaml; `root` is a repository or the evidence of a report."""
    return sorted({root / path for path in _paths(audit) if (root / path).is_file()})


def _paths(audit: Audit) -> Iterator[Path]:
    yield from (
        Path("CITATION.cff"),
        *_stated(audit),
        *_split_files(audit.records),
    )
    yield from (run_folder(record) / name for record in audit.records for name in RUN_FILES)
    yield from (run_folder(record) / PICTURES for record in audit.records)
    yield from _curves(audit.records)
    yield from map(path_of, audit.stages)


def _stated(audit: Audit) -> Iterator[Path]:
    yield from (Path("paper") / name for name in ("claims.yaml", ABLATIONS))
    yield SEAL
    yield MEASURED
    yield COSTS
    for record in (*audit.held, *audit.unchecked):
        yield Path("results") / record.experiment / f"{record.seed}.json"
    yield from map(answers_path, audit.held)


def _curves(records: Iterable[Record]) -> list[Path]:
    """Paths of recorded curves for the training charts. Not every experiment has them."""
    return sorted({curves_path(Path("results"), record.experiment) for record in records})


def _split_files(records: Iterable[Record]) -> Iterator[Path]:
    datasets = sorted({str(record.dataset["name"]) for record in records})
    yield from (Path("data") / "arrow" / dataset / name for dataset in datasets for name in DATASET_FILES)
