"""A run ends with the command that started it, however that ends: nothing computes on in the background.

A watcher, a small process of its own, looks at the stage's process and, where DVC started it, at everything from there
up to DVC. When one of them is gone, it ends all processes that the stage has started, and removes the run's folder for
temporary files. So a run ends after `kill -9`, too, which no process can answer itself.

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
"""In the environment of every process that a run starts: its name, and its folder for temporary files."""
KEEP = "SPT_NOENV"
"""With it, the titles that Ray gives its processes do not overwrite their environment, where the watcher looks."""
_MARKS = set[str]()
"""Names of the runs that this process is in."""
_TERMINATED = threading.Event()
"""Set when SIGTERM came."""
OF_DVC = "DVC_STAGE"
"""DVC sets it in the environment of every command that it starts."""
_POLL_SECONDS = 0.5
_END_SECONDS = 5.0
"""Between SIGTERM, which lets a stage end by itself, and SIGKILL."""
PATIENCE_SECONDS = 10.0
"""A run whose DVC has just been ended gets this time to end."""
SHORT = "/tmp"  # noqa: S108 # only a folder of our own in it is used
NAME = len("/sr-12345678")
LONGEST_FOLDER = 26
"""Bytes of the run's folder: Ray's sockets in it take up to 81 more, and the path of a Unix socket has 107."""


@contextmanager
def watched_run() -> Iterator[None]:
    """Within it, this process and all that it starts end when the command that started it ends.

    A run inside a run belongs to the outer one. Raises InputError.
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
    """Within it no other process can be in the stage: an older run that still lives would write over this one's files.

    The lock is the kernel's, so it ends with the process that holds it. Raises InputError.
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
        raise InputError(f"is running already, as process {pid}; wait for it, or end that process") from None


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
    return RUNS / "locks" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"  # any name is a file's name so


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for temporary files that nobody else can enter, for the length of the block. Raises InputError."""
    run = os.environ.get(FOLDER)
    folder = Path(tempfile.mkdtemp(dir=run)) if run else _short_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> Path:
    """A new folder of our own, whose path is short enough for the sockets that Ray makes in it. Raises InputError."""
    for place in (tempfile.gettempdir(), SHORT):
        if place.isascii() and len(place) <= LONGEST_FOLDER - NAME:
            with suppress(OSError):
                return Path(tempfile.mkdtemp(prefix="sr-", dir=place))
    raise InputError(
        f"TMPDIR {tempfile.gettempdir()}: neither it nor /tmp is a folder with a short plain path that can be written; "
        f"set TMPDIR to a folder whose path has at most {LONGEST_FOLDER - NAME} ASCII characters"
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    """A run ends as after Ctrl-C. Ray raises another KeyboardInterrupt in the place of this one."""
    _TERMINATED.set()
    raise KeyboardInterrupt


def how_it_was_stopped() -> tuple[str, int]:
    """What a KeyboardInterrupt came from, and the exit code."""
    return ("terminated", 143) if _TERMINATED.is_set() else ("interrupted", 130)


def _up_to_dvc() -> list[psutil.Process]:
    """The parents of this process, up to the DVC that started it; empty if DVC did not start it.

    A parent that has DVC's variable was started by DVC; the first one without it is DVC. Raises InputError if DVC has
    ended already: its place is then taken by a process of another session.
    """
    above, one = list[psutil.Process](), psutil.Process()
    while OF_DVC in (os.environ if not above else _environment(one)) and (parent := one.parent()):
        above.append(one := parent)
    if above and os.getsid(above[-1].pid) != os.getsid(0):
        raise InputError("the DVC that started it has ended; run it again")
    return above


def _environment(process: psutil.Process) -> dict[str, str]:
    with suppress(psutil.Error):
        return process.environ()
    return {}


def watch(mark: str, folder: Path, pids: Iterable[int]) -> None:
    """Returns when the run has ended: by itself, or because one of the processes was gone."""
    stage, *above = [_process(pid) for pid in pids]
    while lives(stage) and all(lives(process) for process in above):
        time.sleep(_POLL_SECONDS)
    me = {os.getpid()}
    if stage and lives(stage):
        _end({stage}, _END_SECONDS)  # it ends what it has started
    _end(_marked(mark, but=me), 0.0)
    _end(_marked(mark, but=me), 0.0)  # what was being started meanwhile
    shutil.rmtree(folder, ignore_errors=True)


def _process(pid: int) -> psutil.Process | None:
    """None if it ended before the watcher began."""
    with suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def lives(process: psutil.Process | None) -> bool:
    """Whether it runs, or could: what has ended may stay in the table of processes."""
    with suppress(psutil.Error):
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _marked(mark: str, but: set[int]) -> set[psutil.Process]:
    """The processes that were started in this run."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in but and process.environ().get(MARK) == mark:
                found.add(process)
    return found


def _end(processes: set[psutil.Process], patience: float) -> None:
    """SIGTERM, and SIGKILL to what is left after so many seconds."""
    for send in ("terminate", "kill") if patience else ("kill",):
        for process in processes:
            with suppress(psutil.Error):
                getattr(process, send)()
        psutil.wait_procs(processes, timeout=patience if send == "terminate" else 1.0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(sys.argv[1], Path(sys.argv[2]), [int(pid) for pid in sys.argv[3:]])
