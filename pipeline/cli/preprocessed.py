"""What dvc.lock says of a dataset: whether it is downloaded, and the manifest if it is preprocessed."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pipeline.data.store import Manifest, read_manifest
from pipeline.ground.params import DownloadParams
from pipeline.ground.paths import ROOT, arrow, raw
from pipeline.ground.yaml_file import read_yaml

LOCK = ROOT / "dvc.lock"


@cache
def _locked(changed: int) -> dict[str, Any]:
    """The stages of dvc.lock, cached by its modification time `changed`: reading hundreds of runs takes seconds."""
    stages: dict[str, Any] = read_yaml(LOCK).get("stages", {})
    return stages


def is_downloaded(dataset: str, download: DownloadParams) -> bool:
    """Whether data/raw/ has the dataset, unless dvc.lock says that it was downloaded with other parameters."""
    return raw(dataset).exists() and _made_with("download", dataset) in (None, download.model_dump(exclude_unset=True))


def training_split(dataset: str, described: Mapping[str, Any]) -> Manifest | None:
    """The training split in data/arrow/; None if there is none, or if it was made with other parameters.

    `described` is the dataset's part of params.yaml; dvc.lock names the parameters that the data were made with.
    """
    if not (arrow(dataset) / "train.json").exists():
        return None
    if any(_made_with(stage, dataset) != described[stage] for stage in ("download", "preprocess")):
        return None
    return read_manifest(arrow(dataset), "train")


def _made_with(stage: str, dataset: str) -> Any:
    """The parameters with which DVC last ran a stage of the dataset; None if it never did."""
    stages = _locked(LOCK.stat().st_mtime_ns) if LOCK.exists() else {}
    params = stages.get(f"{stage}@{dataset}", {}).get("params", {}).get("params.yaml", {})
    return params.get(f"datasets.{dataset}.{stage}")
