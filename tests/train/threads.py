"""Workers as threads of one process."""

import threading

import torch
from torch import Tensor

from pipeline.protocol.reduce import Workers


class Threads:
    """Workers as threads of this process, which exchange tensors at a barrier."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier, self.values = size, threading.Barrier(size), [torch.empty(0)] * size

    def worker(self, rank: int) -> Workers:
        group = self

        class Worker:
            def __init__(self) -> None:
                self.rank, self.size = rank, group.size

            def gather(self, value: Tensor) -> list[Tensor]:
                group.values[rank] = value
                group.barrier.wait(60)
                values = [value.clone() for value in group.values]
                group.barrier.wait(60)
                return values

            def exchange(self, values: Tensor) -> Tensor:
                return torch.stack([parts[rank] for parts in self.gather(values)])

        return Worker()
