"""Sums over logical shards do not depend on who computed them."""

import pytest
import torch
from torch import Tensor

from pipeline.train.reduce import Alone, shards_of_worker, sum_over_shards, tree_sum


class Recorded:
    """A worker whose colleagues' tensors are known beforehand."""

    def __init__(self, rank: int, size: int, values: list[Tensor]) -> None:
        self.rank, self.size, self.values = rank, size, values

    def gather(self, value: Tensor) -> list[Tensor]:
        assert torch.equal(value, self.values[self.rank])
        return self.values


def test_tree_adds_neighbours_first() -> None:
    """In float32 2^24 + 1 is 2^24, so the order shows: (2^24 + 1) + (1 + 1) is 2^24 + 2, from the left it is 2^24."""
    rows = [torch.tensor([2.0**24]), torch.ones(1), torch.ones(1), torch.ones(1)]
    assert tree_sum(rows).item() == 2.0**24 + 2
    assert tree_sum(rows[:3]).item() == 2.0**24 + 0  # (2^24 + 1) + 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_any_number_of_workers_gives_the_same_bits(size: int) -> None:
    shards = 5
    rows = torch.randn(shards, 1000, generator=torch.Generator().manual_seed(0))
    alone = sum_over_shards(rows, Alone(), shards)
    own = [rows[shards_of_worker(Recorded(rank, size, []), shards)] for rank in range(size)]
    most = max(len(part) for part in own)
    padded = [torch.cat([part, torch.zeros(most - len(part), 1000)]) for part in own]
    for rank in range(size):
        total = sum_over_shards(own[rank], Recorded(rank, size, padded), shards)
        assert torch.equal(total, alone)
