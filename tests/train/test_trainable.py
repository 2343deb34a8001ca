"""An impossible training is refused before anything starts, with the key to correct."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.data.store import Manifest, read_manifest
from pipeline.ground.errors import InputError
from pipeline.protocol.reduce import Alone
from pipeline.train import training
from pipeline.train.loop import train
from pipeline.train.trainable import check_trainable
from tests.train.tiny import NETWORK, TRAINING, tiny_job

FRAMES = {"kind": "frames", "sample_shape": [2, 2, 8, 8]}


def split(folder: Path, **changes: Any) -> Manifest:
    """30 samples of 3 classes."""
    return replace(read_manifest(tiny_job(folder, TRAINING).data, "train"), **changes)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "one pixel, one sample in the last batch": (
        {"batch_size": 29},
        FRAMES,
        r"training\.batch_size: 29 gives a last batch of 1 of 30 .*training\.micro_batches 2 .*set drop_last to true",
    ),
    "one pixel, one sample of each shard": (
        {"batch_size": 3},
        FRAMES,
        r"training\.batch_size: 3 gives a batch of 3 of 30 .*training\.micro_batches 2 .* 1 x 1 pixels .*raise it",
    ),
    "a batch that drop_last leaves out": (
        {"batch_size": 31, "drop_last": True},
        {},
        r"training\.batch_size: 31, but Tiny has 30 samples .*drop_last to false",
    ),
    "a batch that is larger without the validation": (
        {"batch_size": 28, "drop_last": True, "validation_percent": 10},
        {},
        r"training\.batch_size: 28, but Tiny has 27 samples",
    ),
    "no validation": (
        {"validation_percent": 9},
        {},
        r"training\.validation_percent: 9 holds out no sample .*the largest class has 10",
    ),
    "nothing to tell apart": (
        {},
        {"classes": ["a"], "rows_per_class": [30]},
        r"dataset: Tiny has one class, a; give it a second one",
    ),
    "a policy for colour images": (
        {"augmentation": "autoaugment"},
        {},
        r"training\.augmentation: autoaugment is for images of 3 channels, but Tiny has 1; choose crop-flip",
    ),
    "three channels for one": (
        {"pixel_mean": (0.5,) * 3, "pixel_std": (0.5,) * 3},
        {},
        r"training\.pixel_mean: 3 value\(s\), like pixel_std, but Tiny has 1 channel",
    ),
}


@pytest.mark.parametrize(("changes", "data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_the_key_is_named(tmp_path: Path, changes: dict[str, Any], data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^experiments\.tiny\.{message}"):
        check_trainable("experiments.tiny", NETWORK, replace(TRAINING, **changes), split(tmp_path, **data))


@pytest.mark.parametrize(
    ("kind", "batch_size", "shards"),
    [("frames", 29, 2), ("frames", 26, 2), ("frames", 3, 2), ("frames", 10, 2), ("frames", 7, 3), ("images", 29, 2)],
)
def test_what_is_refused_cannot_be_trained_and_the_rest_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, batch_size: int, shards: int
) -> None:
    """Pictures of 8 x 8: the last stage has 1 x 1 pixels of event frames, 2 x 2 of images."""
    config = replace(TRAINING, epochs=1, batch_size=batch_size, micro_batches=shards)
    job = tiny_job(tmp_path, config, kind=kind)
    monkeypatch.setattr(training, "check_trainable", lambda *arguments: None)

    def refused() -> bool:
        try:
            check_trainable("tiny", job.network, job.training, read_manifest(job.data, "train"))
        except InputError:
            return True
        return False

    def fails() -> bool:
        try:
            train(job, Alone(), torch.device("cpu"), lambda text: None)
        except ValueError as error:
            assert "no variance" in str(error)  # noqa: PT017 # other errors are not what is asked
            return True
        return False

    assert refused() == fails() == (kind == "frames" and batch_size in (29, 3, 7))


def test_one_value_a_channel_ends_before_the_first_step(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, batch_size=29), kind="frames")
    with pytest.raises(InputError, match=r"^tiny-0\.training\.batch_size"):
        train(job, Alone(), torch.device("cpu"), lambda text: None)


def test_without_normalization_one_value_is_enough(tmp_path: Path) -> None:
    network = replace(NETWORK, normalization="none")
    check_trainable("tiny", network, replace(TRAINING, batch_size=29), split(tmp_path, **FRAMES))
