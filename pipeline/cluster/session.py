"""A Ray cluster for the length of a block: our own on this machine, or one that is running."""

import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Before Ray is imported: no usage statistics; workers stay in their folder; a short training is not kept waiting;
# no process watches for nodes that are about to go, since every one may go at any time (checkpoints are ours).
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray

from pipeline.cluster.nodes import all_workers
from pipeline.cluster.ray_internals import keep_sigterm, listen_beyond_loopback, use_own_token
from pipeline.cluster.workers import SHARED, check_room, share_of
from pipeline.ground.code import copy_code
from pipeline.ground.cpus import cpus_here
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import private_folder
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS

_ANSWER_SECONDS = 10
"""Within this time a running cluster takes a connection."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 # Ray's own choice


@contextmanager
def connect(
    cluster: ClusterParams, *, most: int, cpus_each: int = 1, gpus_each: int = 0, shared: Path | None = None
) -> Iterator[int]:
    """Gives the number of workers, at most `most`: as many as stated, or as many as the cluster has room for.

    `shared` is a folder that the workers write into; if not every node sees it, a local Ray does the work. Raises
    InputError at once if the stated number does not fit; Ray itself would wait for ever.
    """
    from pipeline.cluster.check import all_see  # it imports Ray, which reads the surroundings then

    if (share := share_of()) is not None:
        cluster = cluster.model_copy(update={"workers": share})
    with private_folder() as folder:
        try:
            _start(cluster, folder)
            if shared is not None and cluster.address != "local" and not all_see(shared):
                print(f"not every node of {cluster.address} sees {shared}: this machine does it", file=sys.stderr)
                ray.shutdown()
                cluster = cluster.model_copy(update={"address": "local", "workers": "auto"})
                _start(cluster, folder)
            yield _workers(cluster, most, cpus_each, gpus_each)
        finally:
            ray.shutdown()


def _start(cluster: ClusterParams, folder: Path) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    listen_beyond_loopback(cluster.address != "local")
    if cluster.address == "local" and SHARED in os.environ:
        _init(address=os.environ[SHARED], **quiet, **_python())
        return
    if cluster.address == "local":
        use_own_token()
        # Ray lets everybody into its folder, and nobody into this one.
        where: dict[str, Any] = {"_node_ip_address": "127.0.0.1", "_temp_dir": str(folder / "ray")}
        _init(
            address="local",
            num_cpus=cpus_here(),
            include_dashboard=False,
            **where,
            **_objects(folder),
            **quiet,
            **_python(),
        )
        return
    from pipeline.cluster.check import check_nodes

    code = copy_code(folder / "code")
    try:
        host, colon, port = cluster.address.rpartition(":")
        if colon:  # Ray itself asks a silent address for ever
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
        running = _init(address=cluster.address, runtime_env={"working_dir": str(code)}, **quiet)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise connection_refusal(cluster, error) from None
    if os.environ.get("RAY_AUTH_MODE") != "token":  # Ray says so in this process too, where it found a token
        print(
            f"WARNING: the cluster {cluster.address} asks for no token: who reaches it runs code there", file=sys.stderr
        )
    if running.dashboard_url:
        print(f"Ray dashboard: http://{running.dashboard_url}", flush=True)
    check_nodes(cluster)


def _init(**how: Any) -> Any:
    """ray.init; our own answer to SIGTERM stays."""
    ours = signal.getsignal(signal.SIGTERM)
    keep_sigterm()
    context = ray.init(**how)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)
    return context


def _objects(folder: Path) -> dict[str, str]:
    """Ray keeps objects in shared memory, and stops where it cannot write there; a folder does, more slowly."""
    return {} if os.access(SHARED_MEMORY, os.W_OK) else {"_plasma_directory": str(folder)}


def _python() -> dict[str, Any]:
    """Ray starts its workers through a shell and does not quote Python's path, which may have a space in it."""
    quoted = shlex.quote(sys.executable)
    return {} if quoted == sys.executable else {"runtime_env": {"py_executable": quoted}}


def connection_refusal(cluster: ClusterParams, error: Exception) -> InputError:
    """The user's error behind Ray's, with its remedy."""
    text = "; ".join(dict.fromkeys(str(one) for one in _causes(error)))
    where = f"{PARAMS}: cluster.address {cluster.address}"
    if "AuthToken" in text:
        remedy = "give it the cluster's own in RAY_AUTH_TOKEN, or in a file named by RAY_AUTH_TOKEN_PATH"
        return InputError(f"{where}: the token is missing or refused; {remedy}")
    if "Version mismatch" in text:
        return InputError(f"{where}: {' '.join(text.split())}; install requirements.lock on both sides")
    return InputError(f"{where}: no Ray cluster answers there ({error})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised for."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _workers(cluster: ClusterParams, most: int, cpus_each: int, gpus_each: int) -> int:
    have = ray.cluster_resources()
    check_room(cluster, {"CPU": cpus_each, "GPU": gpus_each}, {what: int(have.get(what, 0)) for what in ("CPU", "GPU")})
    stated = 1 if cluster.workers == "auto" else cluster.workers
    fits = all_workers(cpus_each, gpus_each)
    if stated > fits:
        raise InputError(
            f"{PARAMS}: cluster.workers {cluster.workers}: a worker takes {cpus_each} CPUs and {gpus_each} GPUs of one "
            f"node, and the nodes of the cluster {cluster.address} have room for {fits} of them; ask for "
            "fewer workers, or for less of a node by each"
        )
    if stated > most:
        print(f"uses {most} of cluster.workers {stated}: there is no work for more", file=sys.stderr)
    return min(most, fits if cluster.workers == "auto" else stated)
