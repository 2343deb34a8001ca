"""What does not come from another worker is never taken for a number."""

from types import SimpleNamespace
from typing import Any

import pytest
import ray.train
import torch
import torch.distributed

from pipeline.ground.errors import InputError
from pipeline.protocol.reduce import Alone, Group
from pipeline.train.ray_worker import group
from pipeline.train.state import State
from pipeline.train.step import read_totals


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Group:
    """One of two workers, whose exchanges return without an error and without data."""
    for name, answer in (("get_rank", 0), ("get_world_size", 2)):
        monkeypatch.setattr(torch.distributed, name, lambda answer=answer: answer)
    for name in ("all_gather_into_tensor", "all_to_all_single"):
        monkeypatch.setattr(torch.distributed, name, lambda into, own: None)
    return Group()


def test_numbers_that_never_arrive_are_nan(silent: Group) -> None:
    assert all(part.isnan().all() for part in silent.gather(torch.ones(3)))
    assert silent.exchange(torch.ones(2, 1, 3)).isnan().all()


def test_integers_that_never_arrive_are_0(silent: Group) -> None:
    assert [part.tolist() for part in silent.gather(torch.ones(3, dtype=torch.uint8))] == [[0, 0, 0]] * 2


@pytest.mark.parametrize("size", [1, 2])
def test_a_worker_whose_group_is_gone_does_not_train_alone(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    context: Any = SimpleNamespace(get_world_size=lambda: size)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    if size == 1:
        assert isinstance(group(), Alone)
    else:
        with pytest.raises(RuntimeError, match="the process group is gone: another worker has died"):
            group()


@pytest.mark.parametrize(("loss", "size", "said"), [(torch.nan, 2, True), (torch.inf, 2, False), (torch.nan, 1, False)])
def test_a_sum_that_did_not_arrive_is_named_as_a_cause(loss: float, size: int, said: bool) -> None:
    training: Any = SimpleNamespace(
        totals=torch.tensor([loss, 0.0, 3.0]),
        state=State(),
        job=SimpleNamespace(name="tiny-0"),
        workers=SimpleNamespace(size=size),
    )
    with pytest.raises(InputError, match=r"epoch 1, step 4; a lower training\.learning_rate may help") as refused:
        read_totals(training)
    assert ("numbers of another worker did not arrive" in str(refused.value)) is said
