"""Decides whether a stage works in its own process or with workers on Ray. Does not import Ray."""

import os
from collections.abc import Mapping

from pipeline.ground.cpus import cpus_here
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS

SHARED, WORKERS = "SRESNET_RAY", "SRESNET_WORKERS"
"""Environment variables that `sresnet sweep` sets for its stages: address of the shared local Ray, workers per
stage."""

_KEYS = {"CPU": "training.threads, or cluster.cpus_per_worker", "GPU": "cluster.gpus_per_worker"}


def share_of() -> int | None:
    """Number of workers that a sweep assigns to each run; None outside a sweep."""
    return int(os.environ[WORKERS]) if WORKERS in os.environ else None


def in_this_process(cluster: ClusterParams, gpus: int = 0) -> bool:
    """Whether the stage works without Ray: with address local, unless several workers are stated or GPUs are shared.

    `gpus` is the number of GPUs of this machine, if the work uses them. In a sweep, Ray assigns a GPU to each run.
    """
    if cluster.address != "local" or cluster.workers not in (1, "auto"):
        return False
    return not cluster.gpus_per_worker or (SHARED not in os.environ and (cluster.workers == 1 or gpus <= 1))


def workers_here(cluster: ClusterParams, most: int, cpus: int) -> int:
    """Number of workers in this process: as stated, or as many as the CPUs allow at `cpus` each; at most `most`.

    With a GPU it is 1. Raises InputError if what is stated does not fit.
    """
    have = cpus_here()
    if cluster.address == "local":
        check_room(cluster, {"CPU": cpus}, {"CPU": have})
    if cluster.gpus_per_worker:
        return 1
    stated = share_of() or (max(1, have // cpus) if cluster.workers == "auto" else cluster.workers)
    return min(most, stated)


def check_room(cluster: ClusterParams, each: Mapping[str, int], have: Mapping[str, int]) -> None:
    """Raises InputError unless the stated workers, or one, fit; `each` and `have` are numbers of CPU and GPU."""
    where = "this machine" if cluster.address == "local" else f"the cluster {cluster.address}"
    workers = 1 if cluster.workers == "auto" else cluster.workers
    for what, number in each.items():
        if number > have[what]:
            raise InputError(
                f"{PARAMS}: a worker takes {number} {what}(s) ({_KEYS[what]}), and {where} has {have[what]}; lower it, "
                "or name a larger cluster in cluster.address"
            )
        if workers * number > have[what]:
            raise InputError(
                f"{PARAMS}: cluster.workers {workers} needs {workers * number} {what}s, but {where} has {have[what]}; "
                "ask for fewer workers, or say auto"
            )
