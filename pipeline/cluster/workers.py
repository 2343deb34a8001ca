"""Who does the work of a stage: this process alone, or workers on Ray. Nothing here needs Ray."""

import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pipeline.ground.params import ClusterParams

SHARED, WORKERS = "SRESNET_RAY", "SRESNET_WORKERS"
"""`sresnet sweep` sets these for its stages: the local Ray that all of them share, and the workers of each."""
START_SECONDS = 30.0
"""What workers on a local Ray need before their first step, on two cores."""


Item = TypeVar("Item")
Made = TypeVar("Made")


def as_stated(cluster: ClusterParams) -> ClusterParams:
    """The cluster with the workers that a sweep gives each of its runs, if it does."""
    return cluster.model_copy(update={"workers": int(os.environ[WORKERS])}) if WORKERS in os.environ else cluster


def begins_here(cluster: ClusterParams) -> bool:
    """Whether this process does the work, at least at first: on this machine, if not more than one worker is stated.

    In a sweep, Ray chooses the GPU of each run.
    """
    many = as_stated(cluster).workers not in (1, "auto")
    return cluster.address == "local" and not many and not (SHARED in os.environ and cluster.gpus_per_worker)


def workers_here(cluster: ClusterParams, most: int, cpus: int) -> int:
    """Workers that this machine has so many CPUs for, or as stated; at most `most`."""
    stated = as_stated(cluster).workers
    fit = max(1, len(os.sched_getaffinity(0)) // cpus)
    return min(most, fit if stated == "auto" else stated)


def more_pay(seconds_left: float, workers: int) -> bool:
    """Whether so many workers save more time than they need to start."""
    return seconds_left * (1 - 1 / workers) > START_SECONDS


def here_at_first(
    items: list[Item], here: Callable[[Item], Made], on_ray: Callable[[list[Item]], Iterator[Made]], workers: int
) -> Iterator[Made]:
    """What this process makes of the items, in order; once so many workers would be done earlier, they do the rest.

    The first item says nothing about the others: kernels may be compiled for it.
    """
    for done, item in enumerate(items, start=1):
        began = time.monotonic()
        yield here(item)
        rest, seconds = items[done:], time.monotonic() - began
        if done > 1 and rest and more_pay(seconds * len(rest), min(workers, len(rest))):
            yield from on_ray(rest)
            return
