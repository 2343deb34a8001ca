"""The driver's folder of trainings."""

from pathlib import Path

from pipeline.cluster.storage import is_uri
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import ROOT, RUNS


def runs_folder(cluster: ClusterParams) -> Path:
    """Folder in which the driver keeps checkpoints and logs of its trainings."""
    return RUNS if cluster.address != "local" or is_uri(cluster.storage) else ROOT / cluster.storage
