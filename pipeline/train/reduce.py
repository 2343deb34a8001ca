"""Sums over logical shards in one fixed order, so that the number of workers cannot change a bit."""

from typing import Protocol

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.nn.functional import pad


class Workers(Protocol):
    """Those who train together."""

    rank: int
    size: int

    def gather(self, value: Tensor) -> list[Tensor]:
        """The tensors of all workers, of one shape, in the order of their ranks."""
        ...

    def exchange(self, values: Tensor) -> Tensor:
        """Part i of `values`, (size, ...), goes to worker i; part j of the result comes from worker j."""
        ...


class Alone:
    """One worker, without torch.distributed."""

    rank, size = 0, 1

    def gather(self, value: Tensor) -> list[Tensor]:
        return [value]

    def exchange(self, values: Tensor) -> Tensor:
        return values


class Group:
    """The workers of torch.distributed's default process group."""

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()

    def gather(self, value: Tensor) -> list[Tensor]:
        values = [torch.empty_like(value) for _ in range(self.size)]
        torch.distributed.all_gather(values, value)
        return values

    def exchange(self, values: Tensor) -> Tensor:
        received = torch.empty_like(values)
        torch.distributed.all_to_all_single(received, values)
        return received


def shards_of_worker(workers: Workers, shards: int) -> list[int]:
    """Logical shards that this worker computes: contiguous, sizes differ by at most one."""
    return [int(shard) for shard in np.array_split(np.arange(shards), workers.size)[workers.rank]]


def sum_over_shards(own: Tensor, notes: Tensor, workers: Workers, shards: int) -> tuple[Tensor, Tensor]:
    """Sum (D,) over all logical shards of the rows that the workers computed, and all shards' notes, (shards, N).

    `own` is (shards of this worker, D), `notes` (shards of this worker, N). Each worker adds up an equal part of the
    numbers of all shards, in the order of the tree, then all give each other their parts: a worker with one shard sends
    and receives 2 D numbers, as in an all-reduce whose order nobody knows. Workers can hold different numbers of
    shards, so rows of zeros fill up.
    """
    if workers.size == 1:
        return tree_sum(list(own)), notes
    counts = [len(part) for part in np.array_split(np.arange(shards), workers.size)]
    numbers, width = own.shape[1], -(-own.shape[1] // workers.size)
    sent = padded(own, max(counts), workers.size * width).view(max(counts), workers.size, width).transpose(0, 1)
    received = workers.exchange(sent.contiguous())
    total = tree_sum([row for part, count in zip(received, counts, strict=True) for row in part[:count]])
    told = padded(notes, max(counts), notes.shape[1]).view(-1)
    parts = torch.stack(workers.gather(torch.cat([total, told])))
    others = parts[:, width:].view(workers.size, max(counts), -1)
    in_order = [part[:count] for part, count in zip(others, counts, strict=True)]
    return parts[:, :width].reshape(-1)[:numbers], torch.cat(in_order)


def padded(values: Tensor, rows: int, columns: int) -> Tensor:
    """The values with zeros below and to the right, (rows, columns)."""
    return pad(values, (0, columns - values.shape[1], 0, rows - len(values)))


def tree_sum(rows: list[Tensor]) -> Tensor:
    """Sum of the rows by a fixed binary tree: neighbours first; an odd one goes up as it is."""
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[2 * len(pairs) :]
    return rows[0]
