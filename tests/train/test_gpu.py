"""On a GPU, workers, interruptions and CUDA graphs do not change results. Skipped without a GPU."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.normalization import NORMALIZATIONS
from pipeline.protocol.reduce import Alone, in_threads, sum_over_micro_batches
from pipeline.protocol.sampler import epoch_batches
from pipeline.train import step
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.replay import Replay
from pipeline.train.state import State
from pipeline.train.training import Training, begin
from tests.train.test_loop import assert_same
from tests.train.tiny import NETWORK, RECIPE, TRAINING, tiny_job

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU, RECORD = torch.device("cuda"), Replay.record


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def trained(job: Job, workers: int = 1) -> State:
    in_threads(workers, lambda worker: train(job, worker, GPU, lambda text: None))
    state = finished(job)
    assert state is not None
    return state


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_recorded_kernels_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalization: str, precision: Any
) -> None:
    """Shards of two sizes and a smaller last batch: four recordings of samples, and one of the optimizer's step, as the
    rate stays."""
    network = replace(NETWORK, normalization=normalization, precision=precision)
    job = replace(tiny_job(tmp_path, replace(TRAINING, micro_batches=2, batch_size=9)), network=network)
    sizes: list[int] = []
    monkeypatch.setattr(Replay, "record", lambda *given: sizes.append(len(given[2])) or RECORD(*given))
    recorded = trained(job)
    numbers = sum(value.numel() for value in recorded.weights.values()) + 3  # losses, correct samples, halt
    assert sorted(sizes) == [1, 2, 4, 5, numbers]
    for name in ("replay", "updates"):
        monkeypatch.setattr(Training, name, None)
    assert_same(recorded, trained(replace(job, runs=tmp_path / "called")))


@pytest.mark.parametrize("loss", ["cross-entropy", "tet"])
def test_recorded_kernels_give_the_same_bits_with_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: Any
) -> None:
    parts = RECIPE | {"loss": loss, "tet_lambda": 0.0, "augmentation": "autoaugment", "validation_percent": 20}
    job = tiny_job(tmp_path, replace(TRAINING, **parts), channels=3)
    recorded = trained(job)
    monkeypatch.setattr(Training, "replay", None)
    assert_same(recorded, trained(replace(job, runs=tmp_path / "called")))


@pytest.mark.parametrize(("kind", "augmentation"), [("images", "crop-flip"), ("frames", "nda")])
def test_a_copied_split_is_augmented_as_on_the_host_and_no_step_waits(
    tmp_path: Path, kind: Any, augmentation: str
) -> None:
    config = replace(TRAINING, augmentation=augmentation, average_decay=0.9)
    job = tiny_job(tmp_path, config, kind=kind)
    begun, host = (begin(job, Alone(), device, State()) for device in (GPU, torch.device("cpu")))
    assert begun.data.rows is not None
    batches = epoch_batches(begun.samples, config, 0, 0)
    assert torch.equal(step.load_micro_batch(begun, batches[0])[0].cpu(), step.load_micro_batch(host, batches[0])[0])
    for batch in batches:  # compiles and records
        step.step(begun, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches:
            step.step(begun, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    step.read_totals(begun)


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_do_not_change_a_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    config = replace(TRAINING, micro_batches=3, batch_size=9, validation_percent=20, test_each_epoch=True)
    job, lock = tiny_job(tmp_path, config), threading.Lock()

    def one_after_another(*given: Any) -> Any:
        """Workers are processes, but here threads, and a process records one computation at a time."""
        with lock:
            return RECORD(*given)

    monkeypatch.setattr(Replay, "record", one_after_another)
    assert_same(trained(job), trained(replace(job, runs=tmp_path / "others"), workers))


def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, augmentation="crop-flip"))
    undisturbed = trained(job)
    other, steps = replace(job, runs=tmp_path / "others", checkpoint_seconds=0), 0

    def interrupted(*about: Any) -> tuple[Tensor, list[Tensor]]:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return sum_over_micro_batches(*about)

    monkeypatch.setattr(step, "sum_over_micro_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(other, Alone(), GPU, lambda text: None)
    assert_same(undisturbed, trained(other))
