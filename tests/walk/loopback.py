"""Hosts for machines without network namespaces: Ray nodes with separate addresses on the loopback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.walk.namespaces import Host


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
    made: list[Host] = [Node(name=f"host{index}", address=f"127.0.0.{index}") for index in range(1, number + 1)]
    try:
        yield made
    finally:
        for host in made:
            host.cut()
        for process in (process for host in made for process in host.running):
            process.kill()
            process.wait()
