"""A split that is copied to a device gives the bits of its shards, and trains without waiting for the device.

A CPU stands for the device: the same code runs there.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.data.store import Row, Store, shard_name, write_shard
from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train import samples, training
from pipeline.train.loop import train
from pipeline.train.samples import DeviceSamples, bytes_of_sample
from pipeline.train.state import State
from pipeline.train.step import read_totals, step
from pipeline.train.training import begin
from tests.train.test_loop import assert_same, result_of
from tests.train.tiny import TRAINING, tiny_job, write_split

CPU = torch.device("cpu")
Kind = Literal["images", "frames"]
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::is_nonzero"}
"""Operations whose result, or whose size, the host needs from the device."""


class NothingIsRead(TorchDispatchMode):
    """Fails where the host would wait for a device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = func.name() == "aten::index.Tensor" and any(i is not None and i.dtype == torch.bool for i in args[1])
        waits = masks or func.name().partition(".")[0] in WAITS
        assert not waits, f"{func} waits for the device"
        return func(*args, **kwargs or {})


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def copy_to_cpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Splits are copied to the CPU; the list gets the number of samples of each."""
    copies, copied = list[int](), samples.copied
    monkeypatch.setattr(training, "room_on", lambda device: 1 << 30)
    monkeypatch.setattr(samples, "copied", lambda *given: copies.append(len(given[0])) or copied(*given))
    return copies


@pytest.mark.parametrize("room", [0, 1 << 20])
@pytest.mark.parametrize("kind", ["images", "frames"])
def test_samples_are_those_of_the_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, room: int
) -> None:
    store = tiny_job(tmp_path, TRAINING, kind=kind).train_store()
    monkeypatch.setattr(samples, "AT_ONCE", 7 * bytes_of_sample(store))
    indices = np.array([29, 3, 3, 0, 17])
    pixels, labels = DeviceSamples.of(store, CPU, room).read(indices)
    assert np.array_equal(pixels.numpy(), store.read(indices))
    assert labels.tolist() == store.labels[indices].tolist()


def test_a_split_is_copied_if_it_fits(tmp_path: Path) -> None:
    store = tiny_job(tmp_path, TRAINING).train_store()
    size = 30 * 8 * 8
    assert len(store) * bytes_of_sample(store) == size
    assert [DeviceSamples.of(store, CPU, room).rows is not None for room in (0, size - 1, size)] == [False, False, True]


def test_shards_of_two_widths_are_copied_in_the_wider(tmp_path: Path) -> None:
    """A shard is as wide as its largest count."""
    store = tiny_job(tmp_path, TRAINING, kind="frames").train_store()
    wide = [
        Row(id=name, label=0, pixels=np.full((2, 2, 8, 8), 256 + place, np.uint16), source_sha256="0" * 64)
        for place, name in enumerate(store.ids[15:])
    ]
    narrow = [
        Row(id=name, label=0, pixels=pixels, source_sha256="0" * 64)
        for name, pixels in zip(store.ids[:15], store.read(np.arange(15)), strict=True)
    ]
    manifest = store.folder / "train.json"
    manifest.write_text(manifest.read_text().replace('"shards": 1', '"shards": 2'))
    for place, rows in enumerate((narrow, wide)):
        write_shard(rows, store.folder / shard_name("train", place, 2), "frames", "none", {})
    mixed = Store(store.folder, "train")
    pixels, _ = DeviceSamples.of(mixed, CPU, 1 << 20).read(np.array([29, 0]))
    assert pixels.dtype == torch.uint16
    assert np.array_equal(pixels.numpy(), mixed.read(np.array([29, 0])))


@pytest.mark.parametrize(("kind", "augmentation"), [("images", "none"), ("images", "crop-flip"), ("frames", "nda")])
def test_a_training_on_a_copy_is_the_same(
    tmp_path: Path, copy_to_cpu: list[int], kind: Kind, augmentation: str
) -> None:
    config = replace(TRAINING, augmentation=augmentation, validation_percent=20, statistics="recomputed")
    job = tiny_job(tmp_path, config, kind=kind)
    train(job, Alone(), CPU, lambda text: None)
    assert copy_to_cpu == [30]
    other = replace(job, runs=tmp_path / "others")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "room_on", lambda device: 0)
        train(other, Alone(), CPU, lambda text: None)
    assert copy_to_cpu == [30]
    assert_same(result_of(job), result_of(other))


def test_autoaugment_is_computed_on_the_host(tmp_path: Path, copy_to_cpu: list[int]) -> None:
    """A GPU may round its blends otherwise."""
    write_split(tmp_path / "data" / "images", "train", "images", 30, (3, 8, 8))
    job = tiny_job(tmp_path, replace(TRAINING, augmentation="autoaugment"))
    assert begin(job, Alone(), CPU, State()).data.rows is None
    assert copy_to_cpu == []


@pytest.mark.parametrize(("kind", "augmentation"), [("images", "crop-flip"), ("frames", "nda")])
@pytest.mark.usefixtures("copy_to_cpu")
def test_no_step_waits_for_the_device(tmp_path: Path, kind: Kind, augmentation: str) -> None:
    """Sums and counts are read when they are shown."""
    config = replace(TRAINING, augmentation=augmentation, average_decay=0.9, loss="tet", tet_lambda=0.05)
    begun = begin(tiny_job(tmp_path, config, kind=kind), Alone(), CPU, State())
    batches = epoch_batches(begun.samples, config, 0, 0)
    with NothingIsRead():
        for batch in batches:
            step(begun, batch)
    assert begun.state.loss_sum == 0.0
    read_totals(begun)
    assert begun.state.loss_sum > 0.0
    assert begun.totals[2] == len(batches)


@pytest.mark.parametrize(
    "wait", [lambda given: given[0].item(), lambda given: given[given > 0], lambda given: bool(given.any())]
)
def test_waiting_is_noticed(wait: Callable[[torch.Tensor], object]) -> None:
    with NothingIsRead(), pytest.raises(AssertionError, match="waits for the device"):
        wait(torch.ones(3))
