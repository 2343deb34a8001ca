"""Where things lie, as absolute paths: a Ray worker has another working directory."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARAMS = ROOT / "params.yaml"
PROFILES = ROOT / "profiles"
CLAIMS = ROOT / "paper" / "claims.yaml"
RESULTS = ROOT / "results"
REPORT = ROOT / "report"
RUNS = ROOT / "runs"


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
    """Metrics of one training, small and committed."""
    return RESULTS / experiment / f"{seed}.json"
