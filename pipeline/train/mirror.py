"""The checkpoints of a training on a node's own disk, and in storage, where the next worker finds them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cluster.storage import Storage
from pipeline.ground.errors import InputError, afterwards

_POLL_SECONDS = 0.5
"""Between two looks for a file that changed."""
LISTS = 3
"""Times that storage is listed if a file vanishes before it is fetched: another worker writes newer ones."""
FileStats = dict[str, tuple[int, int]]
"""Time of change (nanoseconds) and size of each file by its name."""


def pull(storage: Storage, key: str, folder: Path, *, exactly: bool = False) -> None:
    """Copies what storage has below `key` into the folder, except what is there already; `exactly`: removes the rest.

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
def pushed(folder: Path, storage: Storage, key: str, say: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile, and at last, copies what changes in the folder into storage; removes there what vanished here.

    Steps do not wait for it. Only one process may do so for a training. Says the first of failures in a row; raises
    InputError at the end if storage refused what it was given last.
    """
    done, seen = threading.Event(), _listed(folder)

    def follow() -> None:
        nonlocal seen
        failing = False
        while not done.wait(_POLL_SECONDS):
            try:
                seen, failing = push(folder, storage, key, seen), False
            except Exception as error:  # tried again at the next look
                if not failing:
                    say(f"the checkpoint stays on this node for now: {error}")
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
    """Copies what is not as it was `seen`; gives what there is now. Raises InputError."""
    now = _listed(folder)
    for name, stat in now.items():
        if seen.get(name) != stat:
            storage.put(folder / name, f"{key}/{name}")
    for name in seen.keys() - now.keys():  # only what this process had: another may have written more meanwhile
        storage.delete(f"{key}/{name}")
    return now


def _listed(folder: Path) -> FileStats:
    """The files of the folder that are not being written, whose names begin with a dot."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}
