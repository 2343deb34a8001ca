"""A state is read as it was written, and a crash while writing leaves the old one."""

from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from pipeline.train import state
from pipeline.train.state import State, load, save


def test_round_trip(tmp_path: Path) -> None:
    written = State(
        epoch=2,
        step=5,
        loss_sum=0.1,
        correct=3,
        seen=9,
        weights={"w": torch.tensor([0.1, 0.2])},
        history=[{"epoch": 1}],
    )
    save(written, tmp_path / "runs" / "checkpoint.pt")
    read = load(tmp_path / "runs" / "checkpoint.pt")
    assert read is not None
    assert torch.equal(read.weights.pop("w"), written.weights.pop("w"))
    assert read == written


def test_no_state_yet(tmp_path: Path) -> None:
    assert load(tmp_path / "checkpoint.pt") is None


def test_a_crash_while_writing_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save(State(epoch=1), path)

    def crash(content: object, target: BinaryIO) -> None:
        target.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(state.torch, "save", crash)
    with pytest.raises(OSError, match="no space left"):
        save(State(epoch=2), path)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    kept = load(path)
    assert kept is not None
    assert kept.epoch == 1
