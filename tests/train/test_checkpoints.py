"""Checkpoints are read as written. If one is damaged, the one before it remains."""

import hashlib
import io
import shutil
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from pipeline.ground.errors import InputError
from pipeline.train import checkpoints
from pipeline.train.checkpoints import (
    Checkpoints,
    checkpoint_path,
    newest_checkpoint,
    newest_state,
    numbers,
    write_state,
)
from pipeline.train.state import State


def test_round_trip(tmp_path: Path) -> None:
    written = State(
        epoch=2,
        step=5,
        loss_sum=0.1,
        correct=3,
        seen=9,
        used="ab",
        weights={"w": torch.tensor([0.1, 0.2])},
        momentum={"w": torch.tensor([0.3, 0.4])},
        history=[{"epoch": 1}],
        samples=["ef"],
    )
    write_state(written, tmp_path / "states", 1)
    read = newest_state(tmp_path / "states")
    assert read is not None
    for part in ("weights", "momentum"):
        assert torch.equal(getattr(read, part).pop("w"), getattr(written, part).pop("w"))
    assert read == written


def test_no_state_yet(tmp_path: Path) -> None:
    assert newest_state(tmp_path) is None
    assert newest_state(tmp_path / "none") is None


def test_the_last_two_are_kept_by_number(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, 0) as writer:
        for epoch in range(5):
            writer.save(State(epoch=epoch))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000004.pt", "00000005.pt"]
    assert [newest_checkpoint(tmp_path)[0], epoch_of(tmp_path)] == [5, 4]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_one_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    for number in (6, 7):
        write_state(State(epoch=number), tmp_path, number)
    path, said = checkpoint_path(tmp_path, 7), list[str]()
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-1], "flipped": content, "empty": b""}[damage])
    number, state = newest_checkpoint(tmp_path, said.append)
    assert state is not None
    assert (number, state.epoch) == (6, 6)
    assert said == [f"{path}: damaged, so not used"]
    checkpoint_path(tmp_path, 6).write_bytes(b"")
    assert newest_checkpoint(tmp_path, said.append) == (0, None)
    assert said[-1] == f"{checkpoint_path(tmp_path, 6)}: damaged, so not used"
    write_state(State(epoch=6), tmp_path, 6)
    with Checkpoints(tmp_path, number) as writer:  # and is replaced, so that two sound ones are there again
        writer.save(State(epoch=8))
    assert [numbers(tmp_path), epoch_of(tmp_path)] == [[6, 7], 8]


def test_a_crash_while_writing_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(State(epoch=1), tmp_path, 1)

    def crash(content: object, target: BinaryIO) -> None:
        target.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(checkpoints.torch, "save", crash)
    writer = Checkpoints(tmp_path, 1)
    writer.save(State(epoch=2))
    with pytest.raises(OSError, match="no space left"):
        writer.save(State(epoch=3))
    assert [file.name for file in tmp_path.iterdir()] == ["00000001.pt"]
    assert epoch_of(tmp_path) == 1


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".00000001.pt.abcdefgh").write_bytes(b"half")
    with Checkpoints(tmp_path, 0) as writer:
        writer.save(State())
    assert [file.name for file in tmp_path.iterdir()] == ["00000001.pt"]


def test_a_writer_that_lives_on_does_not_disturb_the_newest(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, 0) as old:
        old.save(State(epoch=1))
        (tmp_path / ".00000009.pt.abcdefgh").write_bytes(b"half of the newest writer's")
        old.save(State(epoch=2))
    assert (tmp_path / ".00000009.pt.abcdefgh").exists()


def test_writing_does_not_hold_the_training_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first write hangs: `save` returns all the same, and only the second one waits."""
    go_on, second = threading.Event(), threading.Event()
    monkeypatch.setattr(checkpoints, "write_state", lambda *state: go_on.wait(60))
    with Checkpoints(tmp_path, 0) as writer:
        writer.save(State())

        def again() -> None:
            writer.save(State())
            second.set()

        thread = threading.Thread(target=again)
        thread.start()
        assert not second.wait(0.1)
        go_on.set()
        assert second.wait(60)
        thread.join()


def epoch_of(folder: Path) -> int:
    state = newest_state(folder)
    assert state is not None
    return state.epoch


def test_with_all_damaged_the_next_ones_stay(tmp_path: Path) -> None:
    for number in (7, 8):
        checkpoint_path(tmp_path, number).write_bytes(b"")
    with Checkpoints(tmp_path, newest_checkpoint(tmp_path)[0]) as writer:
        writer.save(State(epoch=1))
    assert numbers(tmp_path) == [1]
    assert newest_checkpoint(tmp_path) == (1, State(epoch=1))


def test_a_state_of_another_training_is_one_error(tmp_path: Path) -> None:
    """A copy by hand would otherwise go on with other weights."""
    own, other = (tmp_path / name / "checkpoints" for name in ("digits-0-aa", "digits-1-bb"))
    write_state(State(epoch=1), own, 1)
    write_state(State(epoch=2), other, 2)
    shutil.copy(checkpoint_path(other, 2), own)
    with pytest.raises(
        InputError, match=r"00000002\.pt: a state of the training digits-1-bb, expected digits-0-aa"
    ) as it:
        newest_state(own)
    assert "remove it, and" in str(it.value)
    checkpoint_path(own, 2).unlink()
    assert newest_state(own) == State(epoch=1)


@pytest.mark.parametrize("content", [{"epoch": 1}, {"training": "t", "state": {"roots": []}}, [1], "text"])
def test_a_state_of_another_version_is_one_error(tmp_path: Path, content: object) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    checkpoint_path(tmp_path, 1).write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    with pytest.raises(InputError, match=r"00000001\.pt: written by another version of this code; it was put there"):
        newest_state(tmp_path)


def test_a_copy_under_a_name_of_its_own_is_no_state(tmp_path: Path) -> None:
    write_state(State(epoch=1), tmp_path, 1)
    for name in ("00000001 copy.pt", "2-before.pt", "²0000000.pt", "7.pt"):
        shutil.copy(checkpoint_path(tmp_path, 1), tmp_path / name)
    assert numbers(tmp_path) == [1]
