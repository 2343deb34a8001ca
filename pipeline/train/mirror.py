"""Mirrors a training's checkpoints between a node's disk and shared storage, so that any node can resume it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cluster.storage import Storage
from pipeline.ground.errors import InputError, afterwards

_POLL_SECONDS = 0.5
"""Interval between two scans for changed files."""
LISTS = 3
"""Attempts to list and fetch: a running writer may remove a listed file before it is fetched."""
FileStats = dict[str, tuple[int, int]]
"""Modification time (nanoseconds) and size (bytes) of each file, by relative path."""


def pull(storage: Storage, key: str, folder: Path, *, exactly: bool = False) -> None:
    """Copies files below `key` in storage into the folder if missing or changed; `exactly` also removes other files.

    Raises InputError.
    """
    for left in reversed(range(LISTS)):
        have, there = _listed(folder), storage.list(key)
        try:
            for name, info in there.items():
                if have.get(name) != (info.mtime_ns, info.size):
                    storage.get(f"{key}/{name}", folder / name)
            break
        except InputError:
            if not left or there.keys() <= storage.list(key).keys():
                raise
    for name in _listed(folder).keys() - there.keys() if exactly else ():
        (folder / name).unlink(missing_ok=True)


@contextmanager
def mirrored(folder: Path, storage: Storage, key: str, say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, and once at its end, copies changes in the folder to storage, deletions included.

    Runs in a background thread, so steps do not wait. Only one process per training may do this. Of failures in a row
    it reports the first and retries; raises InputError if the last copy at the end fails.
    """
    done, seen = threading.Event(), _listed(folder)

    def follow() -> None:
        nonlocal seen
        failing = False
        while not done.wait(_POLL_SECONDS):
            try:
                seen, failing = push(folder, storage, key, seen), False
            except Exception as error:  # retried at the next scan
                if not failing:
                    say(f"the checkpoint is only on this node for now, storage failed: {error}")
                failing = True

    def last() -> None:
        done.set()
        thread.join()
        push(folder, storage, key, seen)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    with afterwards(last, say):
        yield


def push(folder: Path, storage: Storage, key: str, seen: FileStats) -> FileStats:
    """Copies files that differ from `seen` to storage; returns the current listing. Raises InputError."""
    now = _listed(folder)
    for name, stat in now.items():
        if seen.get(name) != stat:
            storage.put(folder / name, f"{key}/{name}")
    for name in seen.keys() - now.keys():  # files of other processes in storage are left alone
        storage.delete(f"{key}/{name}")
    return now


def _listed(folder: Path) -> FileStats:
    """The files below the folder, without those still being written (their names begin with a dot)."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}
