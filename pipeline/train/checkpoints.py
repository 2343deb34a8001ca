"""The states of a training in one folder: whole, numbered, the last two kept, written beside the training.

A file is the SHA-256 of what follows, then the state with the name of its training. Whatever is killed at whatever
moment, the newest file that is sound is a state between two steps; any such state leads to the same bits in the end.
The folder lies in one that is named as the training: `runs/<training>/checkpoints`.
"""

import hashlib
import io
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from pickle import UnpicklingError
from types import TracebackType

import torch

from pipeline.ground.errors import InputError
from pipeline.ground.files import whole
from pipeline.train.state import State

KEPT = 2
TAKE_AWAY = "it was put there by hand: take it away, and the training goes on from its own states, or starts"
DIGEST = 32


class DamagedError(Exception):
    """A file that is not what was written."""


class Checkpoints:
    """Writes states, one after another; close it, or leave its block, and the last one is on the disk."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        """The number that the training goes on from."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._last: Future[None] | None = None

    def save(self, state: State) -> None:
        """Writes `state`, which nobody may change any more, while the training goes on. Waits for the one before.

        Raises what went wrong with that one.
        """
        self.wait()
        if self._last is None:
            remove_older(self.folder, self.number)
        self.number += 1
        self._last = self._thread.submit(write_state, state, self.folder, self.number)

    def wait(self) -> None:
        """Until the last state is on the disk. Raises what went wrong."""
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
    """Removes what a killed writer left, and states of greater numbers: damaged, or not seen by every worker.

    Once, at the first state: writers of a training that was given up may live on for a moment, and are to be disturbed
    by the newest one, not to disturb it.
    """
    for left in folder.glob(".*.pt.*"):
        left.unlink(missing_ok=True)
    for greater in numbers(folder):
        if greater > number:
            checkpoint_path(folder, greater).unlink(missing_ok=True)


def write_state(state: State, folder: Path, number: int) -> None:
    """Writes a state under its number, and removes those before the last two."""
    buffer = io.BytesIO()
    torch.save({"training": training_of(folder), "state": vars(state)}, buffer)
    path, content = checkpoint_path(folder, number), buffer.getbuffer()
    # Through a file of Python's: torch's own writer does not say that the disk is full.
    with whole(path) as temporary, temporary.open("wb") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    for old in numbers(folder)[:-KEPT]:
        checkpoint_path(folder, old).unlink(missing_ok=True)


def training_of(folder: Path) -> str:
    """The training whose states lie there."""
    return folder.parent.name


def checkpoint_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.pt"


def numbers(folder: Path) -> list[int]:
    """Numbers of the states in the folder, ascending."""
    return sorted(int(path.stem) for path in folder.glob("*.pt") if re.fullmatch(r"[0-9]{8,}", path.stem))


def read_state(folder: Path, number: int) -> State:
    """The state of that number, on the CPU.

    Raises DamagedError, FileNotFoundError, and InputError for a state that is whole, but not one of this training.
    """
    path = checkpoint_path(folder, number)
    content = path.read_bytes()
    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        raise DamagedError(f"{path}: damaged")
    try:
        stored = torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu", weights_only=True)
        training, state = stored["training"], State(**stored["state"])
    except (KeyError, TypeError, RuntimeError, UnpicklingError):
        raise InputError(f"{path}: the state of another version of this code; {TAKE_AWAY}") from None
    if training != training_of(folder):
        raise InputError(f"{path}: a state of the training {training}, expected {training_of(folder)}; {TAKE_AWAY}")
    return state


def newest_checkpoint(folder: Path, say: Callable[[str], None] = lambda text: None) -> tuple[int, State | None]:
    """Number and state of the newest one that is sound, (0, None) without any; damaged ones are said.

    Raises InputError for a state of another training.
    """
    found = numbers(folder)
    for number in reversed(found):
        try:
            return number, read_state(folder, number)
        except FileNotFoundError:  # a newer one has replaced it meanwhile
            return newest_checkpoint(folder, say)
        except DamagedError as error:
            before = "falls back to the checkpoint before it" if number > found[0] else "none before it: starts anew"
            say(f"{error}; {before}")
    return 0, None


def newest_state(folder: Path) -> State | None:
    """The newest state that is sound, or None if there is none. Raises InputError as `newest_checkpoint`."""
    return newest_checkpoint(folder)[1]
