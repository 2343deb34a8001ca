"""Checkpoints of a training: numbered files in one folder, written atomically in the background; the last two are kept.

A file is a SHA-256, followed by the bytes that it covers: the state and the name of its training. A crash at any moment
leaves the newest intact file as a state between two steps, and resuming from any such state gives the same final
weights bit for bit. The folder is `runs/<training>/checkpoints`.
"""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from pickle import UnpicklingError
from types import TracebackType

import torch

from pipeline.ground.errors import InputError
from pipeline.ground.files import whole
from pipeline.train.state import State

KEPT = 2
TAKE_AWAY = "it was put there by hand; remove it, and the training resumes from its own checkpoints or starts over"
DIGEST = 32


class DamagedError(Exception):
    """A checkpoint whose bytes do not match its digest."""


class Checkpoints:
    """Writes checkpoints one at a time in a background thread; leaving its block waits until the last is on disk."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        """Number of the checkpoint that the training resumed from, or of the last one saved; 0 without any."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def save(self, state: State) -> None:
        """Starts writing `state` in the background; the caller must not modify it. Waits for the previous write first.

        Raises the error of the previous write, if any.
        """
        self.wait()
        if self._last is None:
            remove_older(self.folder, self.number)
        self.number += 1
        self._last = self._thread.submit(write_state, state, self.folder, self.number)

    def wait(self) -> None:
        """Waits until the last state is on disk. Raises the error of its write, if any."""
        if self._last is not None:
            self._last.result()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if error is None:
            self.wait()


def remove_older(folder: Path, number: int) -> None:
    """Removes temporary files of a killed writer, and higher-numbered checkpoints: damaged, or not seen by all workers.

    Called only at the first save: a writer of an abandoned attempt may still run for a moment, and must not delete what
    a newer attempt has written.
    """
    for left in folder.glob(".*.pt.*"):
        left.unlink(missing_ok=True)
    for greater in numbers(folder):
        if greater > number:
            checkpoint_path(folder, greater).unlink(missing_ok=True)


def write_state(state: State, folder: Path, number: int) -> None:
    """Writes a state under its number, and removes all checkpoints but the last two."""
    buffer = io.BytesIO()
    torch.save({"training": training_of(folder), "state": vars(state)}, buffer)
    path, content = checkpoint_path(folder, number), buffer.getbuffer()
    # A Python file, because torch.save to a path does not report a full disk.
    with whole(path) as temporary, temporary.open("wb") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    for old in numbers(folder)[:-KEPT]:
        checkpoint_path(folder, old).unlink(missing_ok=True)


def training_of(folder: Path) -> str:
    """Name of the training that a checkpoint folder belongs to."""
    return folder.parent.name


def checkpoint_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.pt"


def numbers(folder: Path) -> list[int]:
    """Numbers of the checkpoints in the folder, ascending."""
    return sorted(int(path.stem) for path in folder.glob("*.pt") if re.fullmatch(r"[0-9]{8,}", path.stem))


def read_state(folder: Path, number: int) -> tuple[bytes, State]:
    """The digest and the state of a checkpoint, with tensors on the CPU.

    Raises DamagedError, FileNotFoundError, and InputError for an intact state that is not of this training.
    """
    path = checkpoint_path(folder, number)
    content = path.read_bytes()
    digest = content[:DIGEST]
    if hashlib.sha256(content[DIGEST:]).digest() != digest:
        raise DamagedError(f"{path}: damaged")
    try:
        stored = torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu", weights_only=True)
        training, state = stored["training"], State(**stored["state"])
    except (KeyError, TypeError, RuntimeError, UnpicklingError):
        raise InputError(f"{path}: written by another version of this code; {TAKE_AWAY}") from None
    if training != training_of(folder):
        raise InputError(f"{path}: a state of the training {training}, expected {training_of(folder)}; {TAKE_AWAY}")
    return digest, state


def intact_checkpoints(
    folder: Path, say: Callable[[str], None] = lambda text: None
) -> Iterator[tuple[bytes, int, State]]:
    """Digest, number and state of each intact checkpoint, the newest first; calls `say` for damaged ones before it.

    Raises InputError for a state of another training.
    """
    for number in reversed(numbers(folder)):
        try:
            digest, state = read_state(folder, number)
        except FileNotFoundError:  # a running writer has removed it after writing newer ones
            yield from intact_checkpoints(folder, say)
            return
        except DamagedError as error:
            say(f"{error}, so not used")
        else:
            yield digest, number, state


def newest_checkpoint(folder: Path, say: Callable[[str], None] = lambda text: None) -> tuple[int, State | None]:
    """Number and state of the newest intact checkpoint, (0, None) without any; says and raises as above."""
    for _, number, state in intact_checkpoints(folder, say):
        return number, state
    return 0, None


def newest_state(folder: Path) -> State | None:
    """The newest intact state, or None. Raises InputError as `newest_checkpoint`."""
    return newest_checkpoint(folder)[1]
