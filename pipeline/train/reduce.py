"""Sums over logical shards in one fixed order, so that the number of workers cannot change a bit."""

from typing import Protocol

import numpy as np
import torch
import torch.distributed
from torch import Tensor


class Workers(Protocol):
    """Those who train together."""

    rank: int
    size: int

    def gather(self, value: Tensor) -> list[Tensor]:
        """The tensors of all workers, of one shape, in the order of their ranks."""
        ...


class Alone:
    """One worker, without torch.distributed."""

    rank, size = 0, 1

    def gather(self, value: Tensor) -> list[Tensor]:
        return [value]


class Group:
    """The workers of torch.distributed's default process group."""

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()

    def gather(self, value: Tensor) -> list[Tensor]:
        values = [torch.empty_like(value) for _ in range(self.size)]
        torch.distributed.all_gather(values, value)
        return values


def shards_of_worker(workers: Workers, shards: int) -> list[int]:
    """Logical shards that this worker computes: contiguous, sizes differ by at most one."""
    return [int(shard) for shard in np.array_split(np.arange(shards), workers.size)[workers.rank]]


def sum_over_shards(own: Tensor, workers: Workers, shards: int) -> Tensor:
    """Sum (D,) over all logical shards of the rows that the workers computed.

    `own` is (shards of this worker, D). Workers can hold different numbers of shards, so rows of zeros fill up.
    """
    counts = [len(part) for part in np.array_split(np.arange(shards), workers.size)]
    if len(own) < max(counts):
        own = torch.cat([own, own.new_zeros(max(counts) - len(own), own.shape[1])])
    rows = [row for part, count in zip(workers.gather(own), counts, strict=True) for row in part[:count]]
    return tree_sum(rows)


def tree_sum(rows: list[Tensor]) -> Tensor:
    """Sum of the rows by a fixed binary tree: neighbours first; an odd one goes up as it is."""
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[2 * len(pairs) :]
    return rows[0]
