"""Sums over micro-batches in one fixed order, so that the number of workers cannot change a bit."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Protocol

import numpy as np
import torch
import torch.distributed
from torch import Tensor


class Workers(Protocol):
    """Those who train together."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

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
        values = value.new_empty(self.size * len(value), *value.shape[1:])
        torch.distributed.all_gather_into_tensor(values, value)
        return list(values.view(self.size, *value.shape))

    def exchange(self, values: Tensor) -> Tensor:
        received = torch.empty_like(values)
        torch.distributed.all_to_all_single(received, values)
        return received


class Meeting:
    """Where workers that are threads of one process give each other tensors."""

    def __init__(self, size: int) -> None:
        self.barrier, self.given = Barrier(size), [torch.empty(0)] * size

    def of_all(self, rank: int, value: Tensor, take: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Copies of what each worker gives, or of a part of it; nobody changes anything until all have taken theirs."""
        self.given[rank] = value
        self.barrier.wait()
        taken = [take(given).clone() for given in self.given]
        self.barrier.wait()
        return taken


@dataclass(frozen=True)
class ThreadOf:
    """A worker that is a thread of this process."""

    rank: int
    meeting: Meeting

    @property
    def size(self) -> int:
        return len(self.meeting.given)

    def gather(self, value: Tensor) -> list[Tensor]:
        return self.meeting.of_all(self.rank, value, lambda given: given)

    def exchange(self, values: Tensor) -> Tensor:
        return torch.stack(self.meeting.of_all(self.rank, values, lambda given: given[self.rank]))


def in_threads(size: int, work: Callable[[Workers], None]) -> None:
    """Does the work as the first of so many workers; the others are threads. Raises what any of them raised first."""
    if size == 1:
        return work(Alone())
    meeting, raised = Meeting(size), list[BaseException]()

    def one(rank: int) -> None:
        try:
            work(ThreadOf(rank, meeting))
        except BaseException as error:
            raised.append(error)
            meeting.barrier.abort()  # the others would wait for ever

    _beside([Thread(target=one, args=(rank,), daemon=True) for rank in range(1, size)], meeting, lambda: one(0))
    if raised:
        raise raised[0]
    return None


def _beside(threads: list[Thread], meeting: Meeting, work: Callable[[], None]) -> None:
    """Works while the threads do; all have ended then, after an interruption too."""
    try:
        for thread in threads:
            thread.start()
        work()
    except BaseException:
        meeting.barrier.abort()
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def micro_batches_of_worker(workers: Workers, micro_batches: int) -> list[int]:
    """Micro-batches that this worker computes: contiguous, sizes differ by at most one."""
    return [int(index) for index in np.array_split(np.arange(micro_batches), workers.size)[workers.rank]]


def sum_over_micro_batches(own: list[Tensor], workers: Workers, micro_batches: int) -> Tensor:
    """Sum (D,) over all micro-batches of the rows (D,) that the workers computed.

    `own` are the rows of this worker's micro-batches, or one of zeros if it has none. Each worker adds up an equal part
    of the numbers of all micro-batches, in the order of the tree, then all give each other their parts: a worker with
    one micro-batch sends and receives 2 D numbers, as in an all-reduce whose order nobody knows.
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
    """Sum of the rows by a fixed binary tree: neighbours first; an odd one goes up as it is."""
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[2 * len(pairs) :]
    return rows[0]
