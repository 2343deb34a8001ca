"""A training by recordings gives the bits of one by calls. A recording of torch's operations on a CPU stands for a CUDA
graph: it has constants and addresses like one, and runs nothing of Python again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from models.kernels.choice import implementation
from pipeline.ground.errors import InputError
from pipeline.protocol.reduce import Alone, in_threads
from pipeline.train import training
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.replay import Replay
from pipeline.train.state import State
from tests.train.test_loop import assert_same, result_of
from tests.train.test_samples import NothingIsRead
from tests.train.tiny import TRAINING, tiny_job

CPU = torch.device("cpu")


class Recording(NothingIsRead):
    """Operations with their arguments, in the order of their calls; what they wrote is undone, as only calls count."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.before: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        written = [
            tensor
            for argument, value in zip(func._schema.arguments, args, strict=False)
            if argument.alias_info is not None and argument.alias_info.is_write
            for tensor in tree_leaves(value)
        ]
        self.before += [(tensor, tensor.detach().clone()) for tensor in written]
        output = super().__torch_dispatch__(func, types, args, kwargs)
        self.calls.append((func, args, kwargs or {}, output))
        return output

    @torch.no_grad()
    def undo(self) -> None:
        for tensor, value in reversed(self.before):
            tensor.copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        """Each result goes to the memory of the recorded one; a view or an operation in place has it already."""
        for func, args, kwargs, output in self.calls:
            for new, kept in zip(tree_leaves(func(*args, **kwargs)), tree_leaves(output), strict=True):
                if isinstance(new, Tensor) and new.data_ptr() != kept.data_ptr():
                    kept.copy_(new)

    def pool(self) -> None:
        return None


@contextmanager
def recorded(graph: Recording, **others: Any) -> Iterator[None]:
    with graph:
        yield
    graph.undo()


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """This CPU records like a GPU; the list gets the size of the first input of each recording."""
    sizes, record = list[int](), Replay.record
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, fake in {
        "CUDAGraph": Recording,
        "graph": recorded,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda given: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(Replay, "record", lambda *given: sizes.append(len(given[2])) or record(*given))
    monkeypatch.setattr(training, "records", lambda device: True)
    return sizes


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def trained(job: Job, workers: int = 1) -> State:
    """With kernels whose operations torch sees."""

    def one(worker: Any) -> None:
        with implementation("reference"):
            train(job, worker, CPU, lambda text: None)

    in_threads(workers, one)
    return result_of(job)


def by_calls(job: Job, folder: Path) -> State:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "records", lambda device: False)
        return trained(replace(job, runs=folder / "called"))


@pytest.mark.parametrize(
    "about", [{}, {"nesterov": True, "average_decay": 0.9}, {"momentum": 0.0, "weight_decay": 0.0}]
)
def test_recordings_give_the_same_bits(tmp_path: Path, recordings: list[int], about: dict[str, Any]) -> None:
    """Two micro-batches of a batch, and a smaller last batch: four of samples, and an optimizer's step of each epoch,
    since each has another rate."""
    config = replace(TRAINING, micro_batches=2, batch_size=9, epochs=3, schedule="cosine", decay_after=(), **about)
    job = tiny_job(tmp_path, config)
    state = trained(job)
    numbers = sum(value.numel() for value in state.weights.values()) + 3  # losses, correct samples, workers that halt
    assert sorted(recordings) == [1, 2, 4, 5, numbers, numbers, numbers]
    assert_same(state, by_calls(job, tmp_path))


def test_a_resumed_training_records_too(tmp_path: Path, recordings: list[int]) -> None:
    """Its momentum comes from the checkpoint."""
    job = replace(tiny_job(tmp_path, replace(TRAINING, epochs=3)), checkpoint_seconds=0)
    steps = iter([False] * 3 + [True])
    with implementation("reference"):
        train(job, Alone(), CPU, lambda text: None, halt=lambda: next(steps))
    assert_same(trained(job), by_calls(job, tmp_path))


def test_a_loss_that_is_no_number_is_found_in_a_recording(tmp_path: Path, recordings: list[int]) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, learning_rate=1000.0, weight_decay=10.0))
    with pytest.raises(InputError, match=r"the loss is .* at epoch 2, step 2; a lower training.learning_rate"):
        trained(job)


def test_a_recording_runs_no_python_and_keeps_constants(recordings: list[int]) -> None:
    """Why the learning rate has to be in the key: it is a number of Python."""
    total, calls = torch.zeros(2), list[float]()

    def add(values: Tensor, rate: list[float]) -> Tensor:
        calls.append(rate[0])
        return total.add_(values, alpha=rate[0])

    replay, rate = Replay([total]), [0.5]
    assert replay("key", lambda values: add(values, rate), torch.ones(2)).tolist() == [0.5, 0.5]
    rate[0] = 2.0
    assert replay("key", lambda values: add(values, rate), torch.ones(2)).tolist() == [1.0, 1.0]
    assert calls == [0.5] * 3
