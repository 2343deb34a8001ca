"""Who does the work of a stage: this process, or workers on Ray. Nothing here needs Ray."""

import os
from collections.abc import Mapping

from pipeline.ground.cpus import cpus_here
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS

SHARED, WORKERS = "SRESNET_RAY", "SRESNET_WORKERS"
"""`sresnet sweep` sets these for its stages: the local Ray that all of them share, and the workers of each."""

_KEYS = {"CPU": "training.threads, or cluster.cpus_per_worker", "GPU": "cluster.gpus_per_worker"}


def share_of() -> int | None:
    """Workers that a sweep gives each of its runs; None outside of one."""
    return int(os.environ[WORKERS]) if WORKERS in os.environ else None


def in_this_process(cluster: ClusterParams, gpus: int = 0) -> bool:
    """Whether no Ray is needed: on this machine, unless several workers are stated, or it has several GPUs to share.

    `gpus` is what this machine has, if the work is done on them. In a sweep, Ray chooses the GPU of each run.
    """
    if cluster.address != "local" or cluster.workers not in (1, "auto"):
        return False
    return not cluster.gpus_per_worker or (SHARED not in os.environ and (cluster.workers == 1 or gpus <= 1))


def workers_here(cluster: ClusterParams, most: int, cpus: int) -> int:
    """Workers that this machine has so many CPUs for, or as stated; at most `most`. A GPU is one worker's.

    Raises InputError if what is stated does not fit.
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
