"""What every node of a cluster must have before anything starts there: packages, code, storage."""

import platform
import tempfile
import uuid
from collections.abc import Callable, Container
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster.storage import Storage, open_storage
from pipeline.ground.code import code_digest, code_files
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams

NODE_PACKAGES = ("torch", "numpy", "numba", "pyarrow")
"""What a worker computes with; Ray compares its own version and Python's."""
PROBE_SECONDS = 120
"""Within this time every node starts a process with our code and answers."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one node says of itself."""

    host: str
    versions: dict[str, str]
    code: str
    """Digest of the code that it runs."""
    error: str | None
    """Why it does not reach storage."""


def check_nodes(cluster: ClusterParams) -> None:
    """Raises InputError, with a line for each node that cannot take part, and what to do."""
    storage, key = open_storage(cluster.storage), f"probe/{uuid.uuid4().hex}"
    try:
        _write(storage, f"{key}/driver")
        found = on_every_node(probe, storage, key)
        written = storage.list(key)
    finally:
        storage.delete(key)
    lines = [line for node, one in found.items() for line in problems(node, one, written, cluster)]
    if lines:
        raise InputError("\n".join([f"the cluster {cluster.address} is not ready:", *lines]))


def all_see(path: Path) -> bool:
    """True if every node reaches this folder of the driver."""
    with tempfile.NamedTemporaryFile(dir=path, prefix=".seen-") as marker:
        return all(on_every_node(_exists, Path(marker.name)).values())


def on_every_node(task: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What a task gives on each living node, by the node's id. Raises InputError that names those that give nothing."""
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
            f"nodes {', '.join(nodes[waiting[one]] for one in silent)} started no process in {PROBE_SECONDS} s; "
            "`ray status` and the node's logs say why; stop them or start them again"
        )
    found, lines = {}, []
    for one in ready:
        try:
            found[waiting[one]] = ray.get(one)
        except ray.exceptions.RayError as error:
            lines.append(f"  {nodes[waiting[one]]}: cannot run our code ({_last_line(error)}); see the node's logs")
    if lines:
        raise InputError("\n".join(["the cluster is not ready:", *lines]))
    return found


def _last_line(error: Exception) -> str:
    """Of Ray's long text, whose end names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


def probe(storage: Storage, key: str) -> Found:
    """What this node has; it leaves a file of its id in storage, and reads the driver's."""
    node, error = ray.get_runtime_context().get_node_id(), None
    try:
        with tempfile.TemporaryDirectory() as folder:
            storage.get(f"{key}/driver", Path(folder) / "driver")
        _write(storage, f"{key}/{node}")
    except InputError as refused:
        error = str(refused)
    return Found(host=platform.node(), versions=versions(), code=code_digest(code_files()), error=error)


def versions() -> dict[str, str]:
    """Of the packages here, without what a build adds: a driver without a GPU may lead nodes that have one."""
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


def problems(node: str, found: Found, written: Container[str], cluster: ClusterParams) -> list[str]:
    """A line for each reason why a node cannot take part; `written` are the nodes whose files the driver sees."""
    ours = versions()
    lines = [
        f"has {name} {found.versions[name]}, here is {ours[name]}; install requirements.lock there"
        for name in NODE_PACKAGES
        if found.versions[name] != ours[name]
    ]
    if found.code != code_digest(code_files()):
        lines.append("runs other code than this checkout; stop it and start it again, without our packages on its path")
    if found.error:
        lines.append(f"does not reach storage: {found.error}")
    elif node not in written:
        lines.append(
            f"writes to a {cluster.storage} of its own; mount one folder on every node, or use object storage (s3://...)"
        )
    return [f"  {found.host}: {line}" for line in lines]
