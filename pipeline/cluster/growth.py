"""Asks a cluster with an autoscaler for the room that waiting work needs, and gives it back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import ray
from ray.autoscaler.sdk import request_resources

from pipeline.cluster.nodes import all_workers
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams


@contextmanager
def asked_to_grow(cluster: ClusterParams, cpus_each: int, gpus_each: int) -> Iterator[Callable[[int], int]]:
    """Yields a function of the number of workers wanted at once, which returns how many fit now.

    It asks the cluster's autoscaler for nodes for them; at the end of the block it asks for none, so that idle nodes
    end. It is a hint: a cluster of fixed size, or one at its limit, stays as it is. Ray keeps one request a cluster,
    the newest one, until the next. Raises InputError if the cluster no longer answers.
    """
    asked = 0

    def room(wanted: int) -> int:
        nonlocal asked
        try:
            if cluster.address != "local" and wanted != asked:
                request_workers(wanted, cpus_each, gpus_each)
                asked = wanted
            return all_workers(cpus_each, gpus_each)
        except (ray.exceptions.RayError, TimeoutError) as error:
            raise InputError(
                f"the cluster {cluster.address} no longer answers ({error}); see its head node, and run this again: "
                "finished runs are kept, the others go on from their checkpoints"
            ) from None

    try:
        yield room
    finally:
        if asked:
            with suppress(ray.exceptions.RayError, TimeoutError):  # of a cluster that is gone
                request_workers(0, cpus_each, gpus_each)


def request_workers(number: int, cpus_each: int, gpus_each: int) -> None:
    """Asks the autoscaler for nodes on which so many workers fit, those that exist included."""
    bundle = {"CPU": cpus_each} | ({"GPU": gpus_each} if gpus_each else {})
    request_resources(bundles=[bundle] * number)
