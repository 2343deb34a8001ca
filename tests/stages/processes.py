"""Finds the processes of a run by a mark in their environment, and the files that they have open."""

import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "SRESNET_TEST_RUN"
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def marked(mark: str) -> list[psutil.Process]:
    """Processes that were started with this mark, those that have ended left out."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def left(mark: str, seconds: float) -> list[str]:
    """What is still there after so many seconds; empty as soon as nothing is."""
    end = time.monotonic() + seconds
    while (found := marked(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    return [described(process) for process in found]


def described(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    return f"{process.pid}"


def open_to_others(mark: str) -> list[str]:
    """Sockets of a run that listen, or take datagrams, on another address than the loopback's."""
    found = []
    for process in marked(mark):
        with suppress(psutil.Error):
            for one in process.net_connections("inet"):
                waits = one.status == psutil.CONN_LISTEN or (one.type == socket.SOCK_DGRAM and not one.raddr)
                if waits and one.laddr and one.laddr.ip not in LOOPBACK:
                    found.append(f"{one.laddr.ip}:{one.laddr.port} of {described(process)}")
    return found


def listening(mark: str) -> int:
    """Sockets of a run that listen at all."""
    waiting = 0
    for process in marked(mark):
        with suppress(psutil.Error):
            waiting += sum(one.status == psutil.CONN_LISTEN for one in process.net_connections("inet"))
    return waiting


def is_private(folder: Path) -> bool:
    """True if nobody but its owner can enter the folder."""
    return stat.S_IMODE(folder.stat().st_mode) == 0o700
