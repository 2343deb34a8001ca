"""Sums over micro-batches do not depend on which worker computed them."""

import pytest
import torch
from torch import Tensor

from pipeline.protocol.reduce import Workers, in_threads, micro_batches_of_worker, sum_over_micro_batches, tree_sum


def test_tree_adds_neighbours_first() -> None:
    """In float32 2^24 + 1 is 2^24, so the order shows: (2^24 + 1) + (1 + 1) is 2^24 + 2, from the left it is 2^24."""
    rows = [torch.tensor([2.0**24]), torch.ones(1), torch.ones(1), torch.ones(1)]
    assert tree_sum(rows).item() == 2.0**24 + 2
    assert tree_sum(rows[:3]).item() == 2.0**24 + 0  # (2^24 + 1) + 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
def test_any_number_of_workers_gives_the_same_bits(size: int) -> None:
    """1001 numbers, which few sizes divide; with seven workers two have no shard."""
    shards = 5
    rows = torch.randn(shards, 1001, generator=torch.Generator().manual_seed(0))
    found: list[Tensor] = []

    def work(worker: Workers) -> None:
        own = micro_batches_of_worker(worker, shards)
        found.append(sum_over_micro_batches(list(rows[own]) if own else [torch.zeros(1001)], worker, shards))

    in_threads(size, work)
    assert len(found) == size
    for total in found:
        assert torch.equal(total, tree_sum(list(rows)))
