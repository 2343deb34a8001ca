"""Checks, before anything starts on a cluster, that every node has the same packages and code and reaches storage."""

import platform
import tempfile
import uuid
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster.storage import Storage, open_storage
from pipeline.ground.code import code_digest, code_files
from pipeline.ground.errors import InputError, afterwards
from pipeline.ground.params import ClusterParams

NODE_PACKAGES = ("torch", "numpy", "numba", "pyarrow")
"""Packages that a worker computes with; Ray itself compares the versions of Ray and Python."""
PROBE_SECONDS = 120
"""Time for every node to start a process with our code and answer."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one node reports."""

    host: str
    versions: dict[str, str]
    code: str
    """Digest of the code that it runs."""
    error: str | None
    """Why it cannot use storage, or None."""


def check_nodes(cluster: ClusterParams, storage: Storage | None = None) -> None:
    """Raises InputError with a line, and what to do, for each problem of each node that cannot take part.

    A node has to write to `storage`, or to the one that the cluster names.
    """
    storage, key = storage or open_storage(cluster.storage), f".probe-{uuid.uuid4().hex}"
    with afterwards(lambda: storage.delete(key), lambda _: None):
        _write(storage, f"{key}/driver")
        found = on_every_node(probe, storage, key)
        written = storage.list(key)
    lines = [line for node, one in found.items() for line in problems(node, one, written, storage.address)]
    if lines:
        raise InputError("\n".join([f"the cluster {cluster.address} is not ready:", *lines]))


def check_reads(storage: Storage, key: str) -> None:
    """Raises InputError with a line for each node that cannot read a file of `storage`."""
    refused = [line for line in on_every_node(unreadable, storage, key).values() if line]
    if refused:
        raise InputError("\n".join(["the cluster is not ready:", *refused]))


def unreadable(storage: Storage, key: str) -> str | None:
    """A line that says why this node cannot read the file, or None."""
    try:
        storage.read(key)
    except InputError as error:
        return f"  {platform.node()}: {error}"
    return None


def all_see(path: Path) -> bool:
    """Whether every node sees this folder of the driver."""
    with tempfile.NamedTemporaryFile(dir=path, prefix=".seen-") as marker:
        return all(on_every_node(_exists, Path(marker.name)).values())


def on_every_node(task: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """The result of a task on each live node, by node id. Raises InputError that names nodes without a result."""
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    waiting = {
        ray.remote(num_cpus=0, max_retries=2)(task)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote(*arguments): node
        for node in nodes
    }
    ready, silent = ray.wait(list(waiting), num_returns=len(waiting), timeout=PROBE_SECONDS)
    if silent:
        raise InputError(
            f"nodes {', '.join(nodes[waiting[one]] for one in silent)} did not start a process in {PROBE_SECONDS} s; "
            "see `ray status` and the nodes' logs; stop or restart these nodes"
        )
    found, failed = {}, {}
    for one in ready:
        try:
            found[waiting[one]] = ray.get(one)
        except ray.exceptions.RayError as error:
            failed[waiting[one]] = error
    here = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # an autoscaler takes idle nodes away meanwhile
    lines = [
        f"  {nodes[node]}: cannot run our code ({_last_line(error)}); see the node's logs"
        for node, error in failed.items()
        if node in here
    ]
    if lines:
        raise InputError("\n".join(["the cluster is not ready:", *lines]))
    return found


def _last_line(error: Exception) -> str:
    """The last line of an error; Ray's long texts name the cause there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


def probe(storage: Storage, key: str) -> Found:
    """Describes this node; reads the driver's file from storage, and writes a file named by the node's id."""
    node, error = ray.get_runtime_context().get_node_id(), None
    try:
        with tempfile.TemporaryDirectory() as folder:
            storage.get(f"{key}/driver", Path(folder) / "driver")
        _write(storage, f"{key}/{node}")
    except InputError as refused:
        error = str(refused)
    return Found(host=platform.node(), versions=versions(), code=code_digest(code_files()), error=error)


@dataclass(frozen=True, kw_only=True)
class Software:
    """What a process runs."""

    code: str
    """Digest of our code."""
    versions: dict[str, str]


@cache
def software() -> Software:
    """The software of this process, found once, since hashing our code takes longer than a small shard."""
    return Software(code=code_digest(code_files()), versions=versions())


def check_software(expected: Software) -> None:
    """Raises InputError if this node runs another than the driver; `check_nodes` misses nodes that join later."""
    if software() != expected:
        raise InputError(
            f"{platform.node()}: runs other code or packages than the driver ({software().versions}, expected "
            f"{expected.versions}); install requirements.lock there, and start it without our packages on its path"
        )


def versions() -> dict[str, str]:
    """Versions of the packages here, without build suffixes such as +cpu: only the nodes may have GPUs."""
    return {name: version_of(name) for name in NODE_PACKAGES}


def version_of(package: str) -> str:
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "none"


def _write(storage: Storage, key: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        storage.put(Path(file.name), key)


def _exists(path: Path) -> bool:
    return path.exists()


def problems(node: str, found: Found, written: Container[str], storage: str) -> list[str]:
    """A line for each reason why a node cannot take part; `written` contains nodes whose files the driver sees in
    `storage`."""
    ours = versions()
    lines = [
        f"has {name} {found.versions[name]}, but this machine has {ours[name]}; install requirements.lock there"
        for name in NODE_PACKAGES
        if found.versions[name] != ours[name]
    ]
    if found.code != code_digest(code_files()):
        lines.append("runs other code than this checkout; stop it and start it again, without our packages on its path")
    if found.error:
        lines.append(f"does not reach storage: {found.error}")
    elif node not in written:
        lines.append(f"writes to its own {storage}; mount one folder on every node, or use object storage (s3://...)")
    return [f"  {found.host}: {line}" for line in lines]
