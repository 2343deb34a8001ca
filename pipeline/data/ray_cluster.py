"""A Ray cluster for the length of a block: our own on this machine, or one that is running."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Before Ray is imported: no usage statistics; workers stay in their folder; a short training is not kept waiting;
# no process watches for nodes that are about to go, since every one may go at any time (checkpoints are ours).
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray._private import ray_constants

from pipeline.data.params import ClusterParams
from pipeline.errors import InputError
from pipeline.paths import PARAMS

ANSWER_SECONDS = 10
"""Within this time a running cluster takes a connection."""
SHARED, WORKERS = "SRESNET_RAY", "SRESNET_WORKERS"
"""`sresnet sweep` sets these for its stages: the local Ray that all of them share, and the workers of each."""


@contextmanager
def connect(cluster: ClusterParams, *, most: int, cpus_each: int = 1, gpus_each: int = 0) -> Iterator[int]:
    """Gives the number of workers, at most `most`: as many as stated, or as many as the cluster has room for.

    Raises InputError at once if the stated number does not fit; Ray itself would wait for ever.
    """
    if WORKERS in os.environ:
        cluster = cluster.model_copy(update={"workers": int(os.environ[WORKERS])})
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        _start(cluster, folder)
        have = ray.cluster_resources()
        room = {"CPU": (cpus_each, int(have.get("CPU", 0))), "GPU": (gpus_each, int(have.get("GPU", 0)))}
        stated = 1 if cluster.workers == "auto" else cluster.workers
        for what, (each, there) in room.items():
            _check(cluster, what, stated * each, there)
        fits = min(there // each for each, there in room.values() if each)
        if stated > most:
            print(f"uses {most} of cluster.workers {stated}: there is no work for more", file=sys.stderr)
        yield min(most, fits if cluster.workers == "auto" else stated)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def places(cpus_each: int, gpus_each: int) -> int:
    """Workers that the cluster has room for now, node by node, since a worker cannot be shared out."""
    need = {"CPU": cpus_each, "GPU": gpus_each}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(node.get(what, 0)) // each for what, each in need.items() if each) for node in nodes)


def _start(cluster: ClusterParams, folder: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    _listen_beyond_loopback(cluster.address != "local")
    if cluster.address == "local" and SHARED in os.environ:
        ray.init(address=os.environ[SHARED], **quiet)
        return
    if cluster.address == "local":
        ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", _temp_dir=folder, **quiet)
        return
    try:
        host, colon, port = cluster.address.rpartition(":")
        if colon:  # Ray itself asks a silent address for ever
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        running = ray.init(address=cluster.address, **quiet)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{PARAMS}: cluster.address {cluster.address}: no Ray cluster answers there ({error})"
        ) from None
    if running.dashboard_url:
        print(f"Ray dashboard: http://{running.dashboard_url}", flush=True)


def _listen_beyond_loopback(allowed: bool) -> None:
    """Ray puts the machine's own address in the place of 127.0.0.1, and listens there, unless told of no clusters."""
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = str(int(allowed))
    ray_constants.ENABLE_RAY_CLUSTER = allowed


def _check(cluster: ClusterParams, what: str, wanted: int, have: int) -> None:
    if wanted > have:
        raise InputError(
            f"{PARAMS}: cluster.workers {cluster.workers} needs {wanted} {what}s, but the cluster {cluster.address} "
            f"has {have}; ask for fewer workers or add nodes"
        )
