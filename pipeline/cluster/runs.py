"""Where trainings lie while they go on."""

from pathlib import Path

from pipeline.cluster.storage import is_uri
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import ROOT, RUNS


def runs_folder(cluster: ClusterParams) -> Path:
    """Where the driver keeps what belongs to its trainings."""
    return RUNS if cluster.address != "local" or is_uri(cluster.storage) else ROOT / cluster.storage
