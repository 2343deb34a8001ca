"""The manifest of a dataset that is already preprocessed."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pipeline.data.store import Manifest, read_manifest
from pipeline.ground.paths import ROOT, arrow
from pipeline.ground.yaml_file import read_yaml

LOCK = ROOT / "dvc.lock"


@cache
def _locked(changed: int) -> dict[str, Any]:
    """The stages of dvc.lock, cached by its modification time `changed`: reading hundreds of runs takes seconds."""
    stages: dict[str, Any] = read_yaml(LOCK).get("stages", {})
    return stages


def training_split(dataset: str, described: Mapping[str, Any]) -> Manifest | None:
    """The training split in data/arrow/; None if there is none, or if it was made with other parameters.

    `described` is the dataset's part of params.yaml; dvc.lock names the parameters that the data were made with.
    """
    if not (arrow(dataset) / "train.json").exists() or not LOCK.exists():
        return None
    stages = _locked(LOCK.stat().st_mtime_ns)
    for stage in ("download", "preprocess"):
        made_with = stages.get(f"{stage}@{dataset}", {}).get("params", {}).get("params.yaml")
        if made_with != {f"datasets.{dataset}.{stage}": described[stage]}:
            return None
    return read_manifest(arrow(dataset), "train")
