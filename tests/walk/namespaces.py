"""Several hosts on one machine: network namespaces on a bridge, each with its own address, name, disk and processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import psutil

NET = "10.77.0"
UNSHARE = ("unshare", "--map-root-user", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
"""The whole walk has namespaces of its own: needs no root, changes nothing outside, and ends with its processes."""
OF_A_HOST = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
USER, UID = "ubuntu", "1000"
"""Who logs in on each host, with a home on its disk."""
AS_USER = ("unshare", "--user", f"--map-user={UID}", f"--map-group={UID}")


@dataclass(kw_only=True)
class Host:
    """One host: what it is called, where it is, how a command gets there."""

    name: str
    address: str
    disk: Path
    """Its disk, as this process sees it."""
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


def inside(module: str, *arguments: str) -> NoReturn:
    """Starts a module in namespaces of its own, and ends with it."""
    sys.exit(subprocess.run([*UNSHARE, sys.executable, "-m", module, *arguments], check=False).returncode)


@contextmanager
def hosts(number: int, folder: Path) -> Iterator[list[Host]]:
    """Hosts on a bridge whose end here has the address NET.1; each sees a disk of its own at folder/own."""
    (folder / "own").mkdir()
    ip("link", "set", "lo", "up")
    ip("link", "add", "bridge", "type", "bridge")
    ip("address", "add", f"{NET}.1/24", "dev", "bridge")
    ip("link", "set", "bridge", "up")
    accounts(folder, number)
    with ExitStack() as running:
        yield [running.enter_context(host(index, folder)) for index in range(2, number + 2)]


def accounts(folder: Path, number: int) -> None:
    """Users and host names that every host knows, in the place of this machine's."""
    names = [f"{NET}.{index} host{index}" for index in range(2, number + 2)]
    written = {
        "hosts": ["127.0.0.1 localhost", *names],
        "passwd": ["root:x:0:0::/root:/bin/bash", f"{USER}:x:{UID}:{UID}::{folder / 'own' / 'home'}:/bin/bash"],
        "group": ["root:x:0:", f"{USER}:x:{UID}:"],  # without a group tty, to which a user could give no terminal
    }
    for name, lines in written.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


@contextmanager
def host(index: int, folder: Path) -> Iterator[Host]:
    """One host, with a link to the bridge; it ends with every process on it."""
    name, disk = f"host{index}", folder / f"disk{index}"
    disk.mkdir()
    init = "trap : CHLD; sleep infinity & while :; do wait; done"  # reaps what daemons leave
    holder = subprocess.Popen([*OF_A_HOST, "bash", "-c", init])
    try:
        first = first_process(holder)
        spaces = ("--net", "--mount", "--uts", "--pid")
        enter = ("nsenter", "--target", str(first), *spaces, f"--wdns={folder}")
        ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", str(first))
        ip("link", "set", f"to-{name}", "master", "bridge", "up")
        for command in (
            f"ip address add {NET}.{index}/24 dev eth0",
            "ip link set eth0 up",
            "ip link set lo up",
            f"hostname {name}",
            f"mount --bind {disk} {folder / 'own'}",
            "mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts",
            "sysctl --quiet --write net.ipv4.ip_unprivileged_port_start=0",
        ):
            subprocess.run([*enter, *command.split()], check=True)
        yield Host(name=name, address=f"{NET}.{index}", disk=disk, enter=enter)
    finally:
        holder.kill()
        holder.wait()


def first_process(holder: "subprocess.Popen[bytes]") -> int:
    """The process with number 1 in the namespaces that a command makes, once these are made."""
    while True:
        for child in psutil.Process(holder.pid).children():
            if net_of(child.pid) != net_of(os.getpid()) and child.name() == "bash":
                return child.pid
        time.sleep(0.05)


def net_of(process: int) -> str:
    try:
        return os.readlink(f"/proc/{process}/ns/net")
    except OSError:  # it has ended
        return ""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
