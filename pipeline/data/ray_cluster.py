"""A Ray cluster for the length of a block: our own on this machine, or one that is running."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Before Ray is imported: no usage statistics; workers stay in their folder; a short training is not kept waiting.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray

from pipeline.data.params import ClusterParams
from pipeline.errors import InputError


@contextmanager
def connect(cluster: ClusterParams, cpus: int, gpus: int = 0) -> Iterator[int]:
    """Gives the number of CPUs of the cluster. Raises InputError at once if a stated number of workers needs more.

    `cpus` and `gpus` are what all workers need together. Ray itself would wait for ever.
    """
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        _start(cluster, folder)
        have = ray.cluster_resources()
        _check(cluster, "CPU", cpus if cluster.workers != "auto" else 1, int(have.get("CPU", 0)))
        _check(cluster, "GPU", gpus, int(have.get("GPU", 0)))
        yield int(have["CPU"])
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _start(cluster: ClusterParams, folder: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    if cluster.address == "local":
        ray.init(address="local", include_dashboard=False, _temp_dir=folder, **quiet)
        return
    try:
        ray.init(address=cluster.address, **quiet)
    except (ConnectionError, ValueError) as error:
        raise InputError(f"cluster.address {cluster.address}: no Ray cluster answers there ({error})") from None


def _check(cluster: ClusterParams, what: str, wanted: int, have: int) -> None:
    if wanted > have:
        raise InputError(
            f"cluster.workers {cluster.workers} needs {wanted} {what}s, but the cluster {cluster.address} has {have}; "
            "ask for fewer workers or add nodes"
        )
