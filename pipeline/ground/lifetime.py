"""Ends all processes of a run when the command that started it ends, in whatever way.

A watcher, a small separate process, watches the stage's process and, if DVC started it, all processes from there up to
DVC. When one of them is gone, it kills all processes that the stage has started, and removes the run's temporary
folder. This works after `kill -9` too, which a process cannot handle itself.

`python -m pipeline.ground.lifetime MARK FOLDER PID...` is the watcher.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT, RUNS

MARK, FOLDER = "SRESNET_RUN", "SRESNET_TEMPORARY"
"""Environment variables of every process of a run: the run's name and its temporary folder."""
KEEP = "SPT_NOENV"
"""Variable that stops Ray's process titles (setproctitle) from overwriting the environment, which the watcher reads."""
_MARKS = set[str]()
"""Names of the runs that this process is in."""
_TERMINATED = threading.Event()
"""Set on SIGTERM."""
OF_DVC = "DVC_STAGE"
"""DVC sets it in the environment of every command that it starts."""
_POLL_SECONDS = 0.5
_END_SECONDS = 5.0
"""Time between SIGTERM, which lets a stage end by itself, and SIGKILL."""
PATIENCE_SECONDS = 10.0
"""How long to wait for an earlier run of the stage that is still ending, such as after DVC was killed."""
SHORT = "/tmp"  # noqa: S108 # only a folder of our own in it is used
NAME = len("/sr-12345678")
LONGEST_FOLDER = 26
"""Maximum path length (bytes) of the run's folder: Ray's sockets add up to 81, and Unix socket paths have at most
107."""


@contextmanager
def watched_run() -> Iterator[None]:
    """Within the block, this process and all processes it starts end when the command that started it ends.

    A nested run belongs to the outer one. Raises InputError.
    """
    if os.environ.get(MARK) in _MARKS:
        yield
        return
    above, folder, known = _up_to_dvc(), _short_folder(), dict(os.environ)
    marks = {MARK: uuid.uuid4().hex, FOLDER: str(folder), KEEP: "1"}
    _MARKS.add(marks[MARK])
    _TERMINATED.clear()
    os.environ.update(marks)
    before = signal.signal(signal.SIGTERM, _terminate)
    watched = [str(process.pid) for process in [psutil.Process(), *above]]
    watcher = subprocess.Popen(
        [sys.executable, "-m", "pipeline.ground.lifetime", marks[MARK], str(folder), *watched],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        _end(_marked(marks[MARK], but={os.getpid(), watcher.pid}), 0.0)
        watcher.kill()
        watcher.wait()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)
        _MARKS.remove(marks[MARK])
        for name in marks:
            os.environ.pop(name)
        os.environ |= {name: known[name] for name in marks if name in known}


@contextmanager
def stage_lock(name: str) -> Iterator[None]:
    """Locks the stage for the block, so that an older run that is still alive cannot overwrite this one's files.

    The kernel releases the lock when the process that holds it ends. Raises InputError.
    """
    path = _lock_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".pid")
    try:
        with FileLock(path, timeout=PATIENCE_SECONDS):
            holder.write_text(str(os.getpid()), encoding="ascii")
            yield
    except Timeout:
        pid = holder.read_text(encoding="ascii") if holder.exists() else "unknown"
        raise InputError(f"is already running as process {pid}; wait for it, or end that process") from None


def is_running(name: str) -> bool:
    """Whether a process is in the stage."""
    if not (path := _lock_of(name)).exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _lock_of(name: str) -> Path:
    return RUNS / "locks" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"  # hashed: any name works


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yields a temporary folder that only this user can enter, removed after the block. Raises InputError."""
    run = os.environ.get(FOLDER)
    folder = Path(tempfile.mkdtemp(dir=run)) if run else _short_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> Path:
    """A new private folder whose path is short enough for Ray's sockets in it. Raises InputError."""
    for place in (tempfile.gettempdir(), SHORT):
        if place.isascii() and len(place) <= LONGEST_FOLDER - NAME:
            with suppress(OSError):
                return Path(tempfile.mkdtemp(prefix="sr-", dir=place))
    raise InputError(
        f"TMPDIR {tempfile.gettempdir()}: neither it nor /tmp is a writable folder with a short ASCII path; "
        f"set TMPDIR to a folder whose path has at most {LONGEST_FOLDER - NAME} ASCII characters"
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    """Handles SIGTERM like Ctrl-C.

    The flag is needed because Ray replaces this exception by its own KeyboardInterrupt.
    """
    _TERMINATED.set()
    raise KeyboardInterrupt


def how_it_was_stopped() -> tuple[str, int]:
    """The word for a KeyboardInterrupt, by its signal, and the exit code."""
    return ("terminated", 143) if _TERMINATED.is_set() else ("interrupted", 130)


def _up_to_dvc() -> list[psutil.Process]:
    """The ancestors of this process up to the DVC that started it; empty if DVC did not start it.

    Ancestors started by DVC have its variable; the first one without it is DVC. Raises InputError if DVC has already
    ended; the first one without the variable is then a process of another session.
    """
    above, one = list[psutil.Process](), psutil.Process()
    while OF_DVC in (os.environ if not above else _environment(one)) and (parent := one.parent()):
        above.append(one := parent)
    if above and os.getsid(above[-1].pid) != os.getsid(0):
        raise InputError("the DVC process that started it has ended; run it again")
    return above


def _environment(process: psutil.Process) -> dict[str, str]:
    with suppress(psutil.Error):
        return process.environ()
    return {}


def watch(mark: str, folder: Path, pids: Iterable[int]) -> None:
    """Waits until one of the processes is gone, then ends the run and removes its folder."""
    stage, *above = [_process(pid) for pid in pids]
    while lives(stage) and all(lives(process) for process in above):
        time.sleep(_POLL_SECONDS)
    me = {os.getpid()}
    if stage and lives(stage):
        _end({stage}, _END_SECONDS)  # on SIGTERM, a stage ends the processes it has started
    _end(_marked(mark, but=me), 0.0)
    _end(_marked(mark, but=me), 0.0)  # processes that were being started during the first pass
    shutil.rmtree(folder, ignore_errors=True)


def _process(pid: int) -> psutil.Process | None:
    """The process, or None if it has already ended."""
    with suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def lives(process: psutil.Process | None) -> bool:
    """Whether a process is alive; an ended one may remain in the process table as a zombie."""
    with suppress(psutil.Error):
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _marked(mark: str, but: set[int]) -> set[psutil.Process]:
    """The processes of a run, except `but`."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in but and process.environ().get(MARK) == mark:
                found.add(process)
    return found


def _end(processes: set[psutil.Process], patience: float) -> None:
    """Sends SIGTERM, then SIGKILL to what is left after `patience` seconds; with 0, SIGKILL at once."""
    for send in ("terminate", "kill") if patience else ("kill",):
        for process in processes:
            with suppress(psutil.Error):
                getattr(process, send)()
        psutil.wait_procs(processes, timeout=patience if send == "terminate" else 1.0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(sys.argv[1], Path(sys.argv[2]), [int(pid) for pid in sys.argv[3:]])
