"""How many workers fit into a running Ray cluster, counted per node, because a worker cannot span nodes."""

import socket
from typing import Any

import ray

from pipeline.cluster.ray_internals import free_by_node

_ANSWER_SECONDS = 1
"""Timeout for connecting to a node; Ray itself reports a dead node as alive for up to 15 s."""


def free_workers(cpus_each: int, gpus_each: int) -> int:
    """Number of workers of this size that fit into the free resources of nodes that answer."""
    free = free_by_node()
    return sum(
        _workers_on_node(free.get(node["NodeID"], {}), cpus_each, gpus_each)
        for node in ray.nodes()
        if node["Alive"] and answers(node)
    )


def all_workers(cpus_each: int, gpus_each: int) -> int:
    """Number of workers of this size that fit when nothing else runs."""
    return sum(_workers_on_node(node["Resources"], cpus_each, gpus_each) for node in ray.nodes() if node["Alive"])


def _workers_on_node(free: dict[str, float], cpus_each: int, gpus_each: int) -> int:
    """Workers that fit on one node."""
    room = [free.get("CPU", 0) // cpus_each] + ([free.get("GPU", 0) // gpus_each] if gpus_each else [])
    return int(min(room))


def answers(node: dict[str, Any]) -> bool:
    """Whether a node's raylet accepts a connection."""
    try:
        where = (node["NodeManagerAddress"], node["NodeManagerPort"])
        socket.create_connection(where, timeout=_ANSWER_SECONDS).close()
    except OSError:
        return False
    return True
