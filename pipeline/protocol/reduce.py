"""Sums over micro-batches in a fixed order, so that results do not depend on the number of workers."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Protocol

import numpy as np
import torch
import torch.distributed
from torch import Tensor


class Workers(Protocol):
    """The workers of one training, from the view of one of them."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def gather(self, value: Tensor) -> list[Tensor]:
        """The tensors of all workers, which have the same shape, by rank (all-gather)."""
        ...

    def exchange(self, values: Tensor) -> Tensor:
        """Sends part i of `values`, (size, ...), to worker i; part j of the result is from worker j (all-to-all)."""
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
        values = _unreceived(value, self.size * len(value), *value.shape[1:])
        torch.distributed.all_gather_into_tensor(values, value)
        return list(values.view(self.size, *value.shape))

    def exchange(self, values: Tensor) -> Tensor:
        received = _unreceived(values, *values.shape)
        torch.distributed.all_to_all_single(received, values)
        return received


def _unreceived(like: Tensor, *shape: int) -> Tensor:
    """Space for what other workers send: NaN, so that a number that never arrives ends the training, or 0 if integers.

    Without it, memory that is reused may hold the numbers of the step before.
    """
    return like.new_full(shape, torch.nan if like.is_floating_point() else 0)


class ThreadGroup:
    """Exchange of tensors between workers that are threads of one process."""

    def __init__(self, size: int) -> None:
        self.barrier, self.given = Barrier(size), [torch.empty(0)] * size

    def of_all(self, rank: int, value: Tensor, take: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Copies of each worker's tensor, or of a part; returns when all have copied, so that none is changed
        before."""
        self.given[rank] = value
        self.barrier.wait()
        taken = [take(given).clone() for given in self.given]
        self.barrier.wait()
        return taken


@dataclass(frozen=True)
class ThreadOf:
    """A worker that is a thread of this process."""

    rank: int
    group: ThreadGroup

    @property
    def size(self) -> int:
        return len(self.group.given)

    def gather(self, value: Tensor) -> list[Tensor]:
        return self.group.of_all(self.rank, value, lambda given: given)

    def exchange(self, values: Tensor) -> Tensor:
        return torch.stack(self.group.of_all(self.rank, values, lambda given: given[self.rank]))


def in_threads(size: int, work: Callable[[Workers], None]) -> None:
    """Runs `work` in `size` workers: this thread is the first, the others are new threads. Raises the first error."""
    if size == 1:
        return work(Alone())
    group, raised = ThreadGroup(size), list[BaseException]()

    def one(rank: int) -> None:
        try:
            work(ThreadOf(rank, group))
        except BaseException as error:
            raised.append(error)
            group.barrier.abort()  # otherwise the others would wait forever

    _with_threads([Thread(target=one, args=(rank,), daemon=True) for rank in range(1, size)], group, lambda: one(0))
    if raised:
        raise raised[0]
    return None


def _with_threads(threads: list[Thread], group: ThreadGroup, work: Callable[[], None]) -> None:
    """Runs `work` while the threads run; joins them all, after an interruption too."""
    try:
        for thread in threads:
            thread.start()
        work()
    except BaseException:
        group.barrier.abort()
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def micro_batches_of_worker(workers: Workers, micro_batches: int) -> list[int]:
    """Indices of this worker's micro-batches: contiguous; numbers per worker differ by at most one."""
    return [int(index) for index in np.array_split(np.arange(micro_batches), workers.size)[workers.rank]]


def sum_over_micro_batches(own: list[Tensor], workers: Workers, micro_batches: int) -> Tensor:
    """Sum (D,) over the rows (D,) of all micro-batches of all workers.

    `own` holds the rows of this worker's micro-batches, or one row of zeros if it has none. Each worker sums an equal
    slice of all rows in tree order (reduce-scatter); then all slices are gathered. With one micro-batch, a worker sends
    and receives 2 D numbers, as much as in an ordinary all-reduce, whose summation order is not fixed.
    """
    if workers.size == 1:
        return tree_sum(own)
    counts = [len(part) for part in np.array_split(np.arange(micro_batches), workers.size)]
    most, numbers = max(counts), len(own[0])
    width = -(-numbers // workers.size)
    rows = own[0].new_zeros(most, workers.size * width)
    for row, values in zip(rows, own, strict=False):
        row[:numbers] = values
    received = workers.exchange(rows.view(most, workers.size, width).transpose(0, 1).contiguous())
    total = tree_sum([row for part, count in zip(received, counts, strict=True) for row in part[:count]])
    return torch.cat(workers.gather(total))[:numbers]


def tree_sum(rows: list[Tensor]) -> Tensor:
    """Sum of the rows in a fixed binary tree: neighbours first; an odd last row moves up unchanged."""
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[2 * len(pairs) :]
    return rows[0]
