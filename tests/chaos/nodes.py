"""A real Ray cluster on this machine's loopback: a head that computes nothing, and nodes with one CPU each.

Each node is the process tree below a `ray start` of ours; what is killed is found there, by its process id.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import psutil

HOST = "127.0.0.2"
"""On the loopback; Ray takes 127.0.0.1 for a request to find an address that others reach."""
TOKEN = secrets.token_hex(32)
"""Of all clusters of this process: Ray's client keeps the first."""
START_SECONDS = 240
NOTICE_SECONDS = 30
"""From the notice that a node will be taken away to its end; Kubernetes and Google give as much."""
WATCHED = {  # a node that does not answer is dead after three seconds, not after fifteen
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_prestart_worker_first_driver": "false",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(NOTICE_SECONDS),
}


class Nodes:
    """The cluster for the length of a block."""

    own: ClassVar[dict[str, str]] = {}
    """Environment variables of a kind of cluster."""

    def __init__(self, count: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: a socket's path has 107 bytes
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        here = {"RAY_TMPDIR": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment = os.environ | WATCHED | token | here | self.own
        self.started: list[subprocess.Popen[bytes]] = []
        self.workers: list[int] = []
        try:
            self._start("head", f"--head --port={self.port} --include-dashboard=false {self.head()}")
            for _ in range(count):
                self.add()
        except RuntimeError:
            self.close()
            raise

    def head(self) -> str:
        """Further options of the head."""
        return "--num-cpus=0 --no-monitor"

    def add(self) -> None:
        """Starts a node of one CPU and waits for it."""
        flags = f"--address={self.address} --num-cpus=1 --min-worker-port=0 --max-worker-port=0"
        self.workers.append(self._start("node", flags))

    def kill(self, index: int) -> int:
        """kill -9 of every process of a node at once; how many there were."""
        processes = tree(self.workers.pop(index))
        kill_all(processes)
        return len(processes)

    def drain(self, index: int) -> None:
        """Has Ray drain a node, and waits for its raylet's end until the deadline.

        `ray start --block` drains its node when it gets SIGTERM, as in a pod that Kubernetes deletes.
        """
        raylet = next(process for process in tree(self.workers[index]) if process.name() == "raylet")
        psutil.Process(self.workers[index]).terminate()
        psutil.wait_procs([raylet], timeout=NOTICE_SECONDS)

    def training(self) -> list[psutil.Process]:
        """The processes that train, of all nodes."""
        return [process for index in range(len(self.workers)) for process in self.training_on(index)]

    def training_on(self, index: int) -> list[psutil.Process]:
        """The processes that train, of one node."""
        return [process for process in tree(self.workers[index]) if trains(process)]

    def _start(self, name: str, flags: str) -> int:
        ray, log = Path(sys.executable).with_name("ray"), tempfile.mkstemp(dir=self.folder, prefix=f"{name}-")
        common = f"--node-ip-address={HOST} --object-store-memory=100000000 --include-log-monitor=false --block"
        started = subprocess.Popen(
            [str(ray), "start", *flags.split(), *common.split()], env=self.environment, stdout=log[0], stderr=log[0]
        )
        os.close(log[0])
        self.started.append(started)
        for _ in range(10 * START_SECONDS):
            if "Ray runtime started" in Path(log[1]).read_text(encoding="utf-8"):
                return started.pid
            if started.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{name} did not start: {Path(log[1]).read_text(encoding='utf-8')}")

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process that it started."""
        for started in self.started:
            kill_all(tree(started.pid))
            started.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def trains(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "RayTrainWorker" in " ".join(process.cmdline())
    return False


def tree(process: int) -> list[psutil.Process]:
    """A process and all below it."""
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    return []


@contextmanager
def still(processes: list[psutil.Process]) -> Iterator[None]:
    """The processes stand still for the length of a block."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def kill_all(processes: list[psutil.Process]) -> None:
    """kill -9 of these processes, and waits until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
