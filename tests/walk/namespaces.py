"""Several hosts on one machine: network namespaces on a bridge, each with its own address, host name and disk."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

NET = "10.77.0"
UNSHARE = ("unshare", "--map-root-user", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
"""The whole walk has namespaces of its own: needs no root, changes nothing outside, and ends with its processes."""


@dataclass(kw_only=True)
class Host:
    """One host: what it is called, where it is, how a command gets there."""

    name: str
    address: str
    interface: str = "lo"
    """Of its address."""
    enter: tuple[str, ...] = ()
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, *command: str, env: dict[str, str], log: Path) -> None:
        with log.open("ab") as file:
            self.running.append(
                subprocess.Popen([*self.enter, *command], env=env, stdout=file, stderr=subprocess.STDOUT)
            )

    def cut(self) -> None:
        """The link goes down, without a word to anyone."""
        ip("link", "set", f"to-{self.name}", "down")

    def has(self, process: str) -> bool:
        """True if a process whose command line has this word runs there."""
        mine = os.readlink(f"/proc/{self.running[0].pid}/ns/net")
        lines = {one.pid: one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])}  # a dead one has none
        return any(process in " ".join(line) and net_of(pid) == mine for pid, line in lines.items())


def permitted() -> bool:
    """Whether this machine lets us make such hosts."""
    made = subprocess.run([*UNSHARE, "ip", "link", "add", "try", "type", "bridge"], capture_output=True, check=False)
    return made.returncode == 0


def inside() -> None:
    """Starts this walk again in namespaces of its own, and ends with it."""
    sys.exit(subprocess.run([*UNSHARE, sys.executable, "-m", "tests.walk.hosts", "inside"], check=False).returncode)


@contextmanager
def hosts(number: int, folder: Path) -> Iterator[list[Host]]:
    """The first host is this process's; each sees a disk of its own at folder/own."""
    own = folder / "own"
    own.mkdir()
    ip("link", "set", "lo", "up")
    ip("link", "add", "bridge", "type", "bridge")
    ip("address", "add", f"{NET}.1/24", "dev", "bridge")
    ip("link", "set", "bridge", "up")
    made = [Host(name="host1", address=f"{NET}.1", interface="bridge")]
    disk(folder, 1)
    holders = []
    for index in range(2, number + 1):
        name, address = f"host{index}", f"{NET}.{index}"
        holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "sleep", "infinity"])
        holders.append(holder)
        enter = ("nsenter", "--target", str(holder.pid), "--net", "--mount", "--uts", f"--wdns={folder}")
        while net_of(holder.pid) == net_of(os.getpid()):
            time.sleep(0.05)
        ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        ip("link", "set", f"to-{name}", "master", "bridge", "up")
        for command in (
            f"ip address add {address}/24 dev eth0",
            "ip link set eth0 up",
            "ip link set lo up",
            f"hostname {name}",
        ):
            subprocess.run([*enter, *command.split()], check=True)
        (folder / f"disk{index}").mkdir()
        subprocess.run([*enter, "mount", "--bind", str(folder / f"disk{index}"), str(own)], check=True)
        made.append(Host(name=name, address=address, interface="eth0", enter=enter))
    try:
        yield made
    finally:
        for process in [*holders, *(process for host in made for process in host.running)]:
            process.kill()
            process.wait()
        subprocess.run(["umount", "--lazy", str(own)], check=True)


def disk(folder: Path, index: int) -> None:
    (folder / f"disk{index}").mkdir()
    subprocess.run(["mount", "--bind", str(folder / f"disk{index}"), str(folder / "own")], check=True)


def net_of(process: int) -> str:
    try:
        return os.readlink(f"/proc/{process}/ns/net")
    except OSError:  # it has ended
        return ""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
