"""A connection to Ray for a block: a local Ray that is started here, or a running cluster."""

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

# Set before Ray is imported. No usage statistics; workers keep their working directory; a short health check interval,
# so that short trainings do not wait. notice.py takes the place of the preemption watcher. Ray leaves
# CUDA_VISIBLE_DEVICES alone for tasks without GPUs. Under `ray job submit --working-dir` workers get our copy
# of the code, not the job's folder; Ray would refuse to choose.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")

import ray

from pipeline.cluster.nodes import all_workers
from pipeline.cluster.ray_internals import keep_sigterm, listen_beyond_loopback, use_own_token
from pipeline.cluster.storage import Storage
from pipeline.cluster.workers import SHARED, check_room, share_of
from pipeline.ground.code import copy_code
from pipeline.ground.cpus import cpus_here
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import private_folder
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS

_ANSWER_SECONDS = 10
"""Timeout for connecting to a running cluster."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 # Ray's own choice


@contextmanager
def connect(
    cluster: ClusterParams,
    *,
    most: int,
    cpus_each: int = 1,
    gpus_each: int = 0,
    shared: Path | None = None,
    storage: Storage | None = None,
) -> Iterator[int]:
    """Yields the number of workers: cluster.workers, or with auto as many as fit; at most `most`.

    `shared` is a folder that the workers write into; if some node does not see it, a local Ray is used instead.
    `storage` is what the workers write into instead of cluster.storage. Raises InputError at once if the stated number
    does not fit, as Ray itself would wait forever, or if a node of a cluster cannot take part.
    """
    from pipeline.cluster.check import all_see  # imports Ray, after the environment variables above

    if (share := share_of()) is not None:
        cluster = cluster.model_copy(update={"workers": share})
    with private_folder() as folder:
        try:
            _start(cluster, folder, storage)
            if shared is not None and cluster.address != "local" and not all_see(shared):
                print(f"not every node of {cluster.address} sees {shared}: using this machine only", file=sys.stderr)
                ray.shutdown()
                cluster = cluster.model_copy(update={"address": "local", "workers": "auto"})
                _start(cluster, folder, storage)
            yield _workers(cluster, most, cpus_each, gpus_each)
        finally:
            ray.shutdown()


def _start(cluster: ClusterParams, folder: Path, storage: Storage | None) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    listen_beyond_loopback(cluster.address != "local")
    if cluster.address == "local" and SHARED in os.environ:
        _init(address=os.environ[SHARED], **quiet, **_python())
        return
    if cluster.address == "local":
        use_own_token()
        # Ray's folder is open to all users, but the private folder around it is not.
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
        if colon:  # Ray itself would retry an address that does not answer forever
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
        running = _init(address=cluster.address, runtime_env={"working_dir": str(code)}, **quiet)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise connection_refusal(cluster, error) from None
    if os.environ.get("RAY_AUTH_MODE") != "token":  # Ray sets it in this process too if it found a token
        print(
            f"WARNING: the cluster {cluster.address} requires no token: anyone who can reach it can run code there",
            file=sys.stderr,
        )
    if running.dashboard_url:
        print(f"Ray dashboard: http://{running.dashboard_url}", flush=True)
        os.environ.setdefault("RAY_TRAIN_ENABLE_STATE_TRACKING", "1")  # for its page of trainings
    check_nodes(cluster, storage)


def _init(**how: Any) -> Any:
    """ray.init that keeps our SIGTERM handler."""
    ours = signal.getsignal(signal.SIGTERM)
    keep_sigterm()
    context = ray.init(**how)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)
    return context


def _objects(folder: Path) -> dict[str, str]:
    """Options for Ray's object store: a folder, which is slower, if shared memory is not writable (Ray would fail)."""
    return {} if os.access(SHARED_MEMORY, os.W_OK) else {"_plasma_directory": str(folder)}


def _python() -> dict[str, Any]:
    """Options that quote Python's path, which may contain a space: Ray starts workers through a shell, unquoted."""
    quoted = shlex.quote(sys.executable)
    return {} if quoted == sys.executable else {"runtime_env": {"py_executable": quoted}}


def connection_refusal(cluster: ClusterParams, error: Exception) -> InputError:
    """The InputError for a failed connection, with a remedy."""
    text = "; ".join(dict.fromkeys(str(one) for one in _causes(error)))
    where = f"{PARAMS}: cluster.address {cluster.address}"
    if "AuthToken" in text:
        remedy = "give it the cluster's own in RAY_AUTH_TOKEN, or in a file named by RAY_AUTH_TOKEN_PATH"
        return InputError(f"{where}: the token is missing or rejected; {remedy}")
    if "Version mismatch" in text:
        return InputError(f"{where}: {' '.join(text.split())}; install requirements.lock on both sides")
    return InputError(f"{where}: no Ray cluster answers there ({error})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its chain of causes."""
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
            f"{PARAMS}: cluster.workers {cluster.workers}: a worker needs {cpus_each} CPUs and {gpus_each} GPUs on one "
            f"node, and only {fits} fit on the nodes of the cluster {cluster.address}; ask for "
            "fewer workers, or fewer CPUs or GPUs per worker"
        )
    if stated > most:
        print(f"using {most} of cluster.workers {stated}: there is no work for more", file=sys.stderr)
    return min(most, fits if cluster.workers == "auto" else stated)
