"""Who does the work of a stage: this process, or workers on Ray. Nothing here needs Ray."""

import os

from pipeline.ground.params import ClusterParams

SHARED, WORKERS = "SRESNET_RAY", "SRESNET_WORKERS"
"""`sresnet sweep` sets these for its stages: the local Ray that all of them share, and the workers of each."""


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
    """Workers that this machine has so many CPUs for, or as stated; at most `most`. A GPU is one worker's."""
    if cluster.gpus_per_worker:
        return 1
    fit = max(1, len(os.sched_getaffinity(0)) // cpus)
    stated = share_of() or (fit if cluster.workers == "auto" else cluster.workers)
    return min(most, stated)
