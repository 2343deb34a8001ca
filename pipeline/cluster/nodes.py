"""How many workers fit into a running Ray cluster, counted per node, because a worker cannot span nodes.

A node that is being drained still runs what it has and counts as alive, but Ray places nothing new on it. Only the
status that `ray status` shows knows this (ray.autoscaler.v2.sdk); the State API and `ray.nodes()` do not.
"""

import socket
from typing import Any

import ray
from ray.autoscaler.v2.schema import NodeInfo
from ray.autoscaler.v2.sdk import get_cluster_status

_ANSWER_SECONDS = 1
"""Timeout for connecting to a node; Ray itself reports a dead node as alive for up to 15 s."""
_DRAINING = "DRAINING"


def free_workers(cpus_each: int, gpus_each: int) -> int:
    """Number of workers of this size that fit into the free resources of nodes that answer."""
    staying = {node.node_id: node for node in live_nodes() if node.node_status != _DRAINING}
    return sum(
        _workers_on_node(staying[node["NodeID"]].available_resources(), cpus_each, gpus_each)
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] in staying and answers(node)
    )


def all_workers(cpus_each: int, gpus_each: int) -> int:
    """Number of workers of this size that fit when nothing else runs."""
    staying = [node for node in live_nodes() if node.node_status != _DRAINING]
    return sum(_workers_on_node(node.total_resources(), cpus_each, gpus_each) for node in staying)


def drained_nodes() -> dict[str, str]:
    """Addresses of the nodes that are being drained, by id."""
    return {str(node.node_id): node.ip_address for node in live_nodes() if node.node_status == _DRAINING}


def live_nodes() -> list[NodeInfo]:
    """The nodes that are not known to be dead, with their resources and status (RUNNING, IDLE or DRAINING)."""
    status = get_cluster_status(ray.get_runtime_context().gcs_address)
    return [*status.active_nodes, *status.idle_nodes]


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
