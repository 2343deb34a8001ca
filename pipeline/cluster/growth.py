"""Asks a cluster with an autoscaler for the room that waiting work needs, and gives it back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import ray
from ray.autoscaler.sdk import request_resources

from pipeline.cluster.nodes import all_workers
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams

HELD_SECONDS = 60
"""Time for which a request stands: nodes start, and get work before a larger request may leave them unprotected."""


@dataclass
class Growth:
    """The number of workers to ask for: more and more above what fits, as long as the cluster grows.

    For a request that is beyond the cluster's limit, Ray's autoscaler (version 2) starts no node at all and keeps none
    that is idle, and it has no public answer what the limit is. So a request that is not met is taken back to what fits
    before a smaller one is tried.
    """

    asked: int = 0
    step: int = 1
    since: float = float("-inf")
    """When it was asked (seconds)."""
    beyond: bool = False
    """Whether it was for more than there was."""

    def next(self, fits: int, wanted: int, now: float) -> int:
        """The number to ask for now, at most `wanted`; `fits` is how many the cluster has room for."""
        if now - self.since < HELD_SECONDS:
            return min(self.asked, wanted)
        self.since, met = now, self.asked <= fits
        if self.beyond:
            self.step = 2 * self.step if met else max(1, self.step // 2)
        number = min(fits + self.step if met else fits, wanted)
        self.beyond = number > fits
        return number


@contextmanager
def asked_to_grow(cluster: ClusterParams, cpus_each: int, gpus_each: int) -> Iterator[Callable[[int], int]]:
    """Yields a function of the number of workers wanted at once, which returns how many fit now.

    It asks the cluster's autoscaler for nodes for them; at the end of the block it asks for none, so that idle nodes
    end. It is a hint: a cluster of fixed size, or one at its limit, stays as it is. Ray keeps one request a cluster,
    the newest one, until the next. Raises InputError if the cluster no longer answers.
    """
    growth = Growth()

    def room(wanted: int) -> int:
        fits = all_workers(cpus_each, gpus_each)
        if cluster.address != "local" and (number := growth.next(fits, wanted, time.monotonic())) != growth.asked:
            request_workers(number, cpus_each, gpus_each)
            growth.asked = number
        return fits

    def answered(wanted: int) -> int:
        try:
            return room(wanted)
        except (ray.exceptions.RayError, TimeoutError) as error:
            raise InputError(
                f"the cluster {cluster.address} no longer answers ({error}); see its head node, and run this again: "
                "finished runs are kept, the others go on from their checkpoints"
            ) from None

    try:
        yield answered
    finally:
        if growth.asked:
            with suppress(ray.exceptions.RayError, TimeoutError):  # of a cluster that is gone
                request_workers(0, cpus_each, gpus_each)


def request_workers(number: int, cpus_each: int, gpus_each: int) -> None:
    """Asks the autoscaler for nodes on which so many workers fit, those that exist included."""
    bundle = {"CPU": cpus_each} | ({"GPU": gpus_each} if gpus_each else {})
    request_resources(bundles=[bundle] * number)
