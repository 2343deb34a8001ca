"""Hosts for machines without network namespaces: Ray nodes with separate addresses on the loopback."""

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.cluster.s3 import KEYS
from tests.walk.namespaces import Host
from tests.walk.small import say, set_cluster, surroundings

STORAGE_ADDRESS = "127.0.0.1"
HEALTH = {"period_ms": "3000", "timeout_ms": "10000", "failure_threshold": "3", "initial_delay_ms": "0"}
"""Ray takes a silent node for lost within half a minute."""
START_SECONDS = 120


class Node(Host):
    """One of them; all share the disk."""

    def cut(self) -> None:
        """Its processes are killed at once."""
        for process in self.processes():
            process.send_signal(signal.SIGKILL)

    def has(self, process: str) -> bool:
        return any(process in " ".join(one.as_dict(["cmdline"])["cmdline"] or []) for one in self.processes())

    def processes(self) -> list[psutil.Process]:
        return [one for running in self.running for one in psutil.Process(running.pid).children(recursive=True)]


@contextmanager
def hosts(number: int, folder: Path) -> Iterator[list[Host]]:
    """Addresses 127.0.0.1, 127.0.0.2, ..."""
    (folder / "own").mkdir()
    made: list[Host] = [
        Node(name=f"host{index}", address=f"127.0.0.{index}", disk=folder / "own") for index in range(1, number + 1)
    ]
    try:
        yield made
    finally:
        for host in made:
            host.cut()
        for process in (process for host in made for process in host.running):
            process.kill()
            process.wait()


class Started:
    """A Ray of these hosts, whose driver works here."""

    def __init__(self, checkout: Path, env: dict[str, str]) -> None:
        self.checkout, self.env = checkout, env

    def run(self, command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """A command's end, run in the checkout."""
        say(f"$ {command}")
        env = surroundings(**self.env | more)
        return subprocess.run(
            ["sh", "-c", command], cwd=self.checkout, env=env, capture_output=True, text=True, check=False
        )


@contextmanager
def cluster(folder: Path, machines: list[Host], checkout: Path) -> Iterator[Started]:
    """A head and its nodes, two CPUs each; its processes end with their hosts."""
    address, temporary = f"{machines[0].address}:6379", folder / "own" / "ray"
    temporary.mkdir()
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    env = {**KEYS, **token, "TMPDIR": str(folder / "own")}
    env |= {f"RAY_health_check_{name}": value for name, value in HEALTH.items()}
    set_cluster(checkout, address=address)
    for host in machines:
        head = f"--head --port 6379 --include-dashboard false --temp-dir {temporary}"
        where = head if host is machines[0] else f"--address {address}"
        common = "--num-cpus 2 --object-store-memory 100000000 --block --disable-usage-stats"
        flags = f"start {where} --node-ip-address {host.address} {common}".split()
        ray = str(Path(sys.executable).with_name("ray"))
        log = folder / f"{host.name}.log"
        host.start(ray, *flags, env=surroundings(**env), log=log)
        wait_for_start(log)
    yield Started(checkout, env)


def wait_for_start(log: Path) -> None:
    """Until the host's Ray has started: of two that start in one folder at the same time, one may wait for ever."""
    for _ in range(START_SECONDS * 10):
        if "Ray runtime started" in log.read_text(errors="replace"):
            return
        time.sleep(0.1)
    sys.exit(f"Ray did not start within {START_SECONDS} s: {log.read_text(errors='replace')}")
