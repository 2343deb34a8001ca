"""The benchmark of an epoch: its data, its bare steps, and its measurements of a training that it does not change."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks import epoch
from benchmarks.epoch import bare_steps, batches, ends_of_epochs, first_rows, made_job, main, noise
from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.ground.errors import InputError
from pipeline.protocol.reduce import Alone
from pipeline.train.export import finished
from pipeline.train.loop import train
from pipeline.train.state import State
from pipeline.train.step import load_micro_batch
from pipeline.train.training import begin
from tests.train.tiny import TRAINING, tiny_job

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    yield
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    monkeypatch.setattr(epoch, "NETWORK", replace(epoch.NETWORK, width=2, time_steps=2))
    return argparse.Namespace(data=None, samples=50, rounds=1, threads=1)


def test_without_data_the_images_are_noise(tmp_path: Path, small: argparse.Namespace) -> None:
    """Preprocessed as real ones are: fifty of CIFAR-10's shape, ten classes."""
    store = Store(made_job(tmp_path, small).data, "train")
    assert store.sample_shape == (3, 32, 32)
    assert len(store) == 50
    assert np.bincount(store.labels).tolist() == [5] * 10


def test_the_first_rows_of_real_data(tmp_path: Path) -> None:
    table = noise(7)
    for index, part in enumerate((table.slice(0, 4), table.slice(4))):
        pq.write_table(part, tmp_path / f"train-0000{index}-of-00002.parquet")
    assert first_rows(tmp_path, "train", 6).equals(table.slice(0, 6).combine_chunks()) is True
    with pytest.raises(InputError, match="train has 7 rows, --samples 8 asks for more"):
        first_rows(tmp_path, "train", 8)
    with pytest.raises(InputError, match=r"no test-\*\.parquet"):
        first_rows(tmp_path, "test", 1)


def test_bare_batches_are_those_of_the_training(tmp_path: Path, small: argparse.Namespace) -> None:
    """Two full batches of 20; the rest of 10 is left out."""
    job = made_job(tmp_path, small)
    ready = batches(job)
    assert [len(labels) for _, labels in ready] == [20, 20]
    training = begin(job, Alone(), CPU, State())
    first = epoch.epoch_batches(training.samples, job.training, job.seed, 0)[0]
    for used, bare in zip(load_micro_batch(training, first), ready[0], strict=True):
        assert torch.equal(used, bare)


def test_bare_steps_go_through_all_batches(
    tmp_path: Path, small: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, seen = made_job(tmp_path, small), []
    before = SResNet.before_readout

    def noted(self: SResNet, inputs: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        seen.append(inputs.clone())
        return before(self, inputs, generator)

    monkeypatch.setattr(SResNet, "before_readout", noted)
    step, steps = bare_steps(job)
    for _ in range(steps + 1):
        step()
    ready = batches(job)
    assert [torch.equal(a, b) for a, (b, _) in zip(seen, [*ready, ready[0]], strict=True)] == [True] * 3


def test_ends_of_epochs_are_read_from_the_checkpoints(tmp_path: Path) -> None:
    """The last one at least; how many before it are seen depends on how long an epoch takes."""
    job = tiny_job(tmp_path, replace(TRAINING, epochs=3))
    with ends_of_epochs(job) as ends:
        train(job, Alone(), CPU, lambda text: None)
    assert finished(job) is not None
    assert ends[3] == job.checkpoint().stat().st_mtime
    assert sorted(ends.values()) == [ends[number] for number in sorted(ends)]


def test_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With times that are set: bare steps of 0.1 and 0.3 s, so 0.6 s an epoch of 3; epochs of 0.9 and 0.78 s."""
    bare = iter([0.1, 0.3])
    stage = {"start": 2.0, "epochs": [5.0, 0.9, 0.78], "end": 1.0, "whole": 9.65}
    monkeypatch.setattr(epoch, "NETWORK", replace(epoch.NETWORK, width=2, time_steps=2))
    monkeypatch.setattr(epoch, "keep_memory", lambda: None)
    monkeypatch.setattr(epoch, "timed", lambda step, steps: next(bare))
    monkeypatch.setattr(epoch, "stage_seconds", lambda job, artifacts: stage)
    main(["--samples=50", "--threads=1", f"--output={tmp_path / 'epoch.json'}"])
    result = json.loads((tmp_path / "epoch.json").read_text())
    assert result["epoch_against_bare"] == pytest.approx({"median": 0.84 / 0.6, "low": 1.3, "high": 1.5})
    assert result["stage_against_bare"] == pytest.approx(9.65 / 1.8)
    assert (result["data"], result["samples"], result["steps_of_an_epoch"]) == ("images of noise", 50, 3)
    assert "an epoch of 3 steps: 0.8 s, bare steps 0.6 s: 1.40 (1.30 to 1.50) times" in capsys.readouterr().out
