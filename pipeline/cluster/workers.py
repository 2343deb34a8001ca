"""Decides whether a stage works in its own process or with workers on Ray. Does not import Ray."""

import os

from pipeline.ground.params import ClusterParams

SHARED, WORKERS = "SRESNET_RAY", "SRESNET_WORKERS"
"""Environment variables that `sresnet sweep` sets for its stages: address of the shared local Ray, workers per
stage."""


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

    With a GPU it is 1.
    """
    if cluster.gpus_per_worker:
        return 1
    fit = max(1, len(os.sched_getaffinity(0)) // cpus)
    stated = share_of() or (fit if cluster.workers == "auto" else cluster.workers)
    return min(most, stated)
