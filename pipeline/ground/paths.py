"""Paths of the repository's files; absolute, because Ray workers have another working directory."""

from pathlib import Path

from pipeline.ground.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params.yaml"
PROFILES = ROOT / "profiles"
CITATION = ROOT / "CITATION.cff"
CLAIMS = ROOT / "paper" / "claims.yaml"
RESULTS = ROOT / "results"
REPORT = ROOT / "report"
RUNS = ROOT / "runs"


def check_places() -> None:
    """Raises InputError if an output folder is a symbolic link; DVC would refuse it only after the stage has run."""
    for name in ("data", "artifacts", "records", "results", "report"):
        if (ROOT / name).is_symlink():
            raise InputError(
                f"{ROOT / name}: is a symbolic link, and DVC cannot track outputs behind one; remove the link, and put "
                "DVC's cache on the other disk: dvc cache dir --local FOLDER"
            )


def raw(dataset: str) -> Path:
    """Archives and recordings of a dataset, as published."""
    return ROOT / "data" / "raw" / dataset


def arrow(dataset: str) -> Path:
    """Arrow shards of a dataset."""
    return ROOT / "data" / "arrow" / dataset


def artifacts(experiment: str, seed: int) -> Path:
    """Model, configuration, history and predictions of one training."""
    return ROOT / "artifacts" / experiment / str(seed)


def result(experiment: str, seed: int) -> Path:
    """The record of one training, small and committed."""
    return RESULTS / experiment / f"{seed}.json"


def tables(experiment: str, seed: int) -> Path:
    """Folder of DVC's metrics and plots of one training, small and committed."""
    return RESULTS / experiment / str(seed)
