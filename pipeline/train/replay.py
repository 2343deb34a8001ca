"""A computation on a GPU, recorded once and then started as a whole: the many small kernels of a spiking network keep
Python longer than the GPU. The same kernels on the same memory, so the same bits (torch.cuda.CUDAGraph)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

WARM_UP = 2
"""Calls before the recording, in which kernels are compiled and chosen."""
Compute = Callable[[Tensor, Tensor], Tensor]
"""Of samples (B, ...) and labels (B,)."""


@dataclass(frozen=True, kw_only=True)
class RecordedGraph:
    """A recorded computation, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    values: Tensor
    labels: Tensor
    output: Tensor


class Replay:
    """Computations for a GPU. What they read beside their arguments must stay where it lies in memory.

    One recording a number of samples and size of the batch; they share the memory of their intermediate values.
    """

    def __init__(self, changed: list[Tensor]) -> None:
        """`changed` are the tensors that a computation writes in place."""
        self.changed = changed
        self.recordings: dict[tuple[int, int], RecordedGraph] = {}

    def __call__(self, compute: Compute, values: Tensor, labels: Tensor, batch_size: int) -> Tensor:
        """`compute(values, labels)`, recorded when the first samples of their number and of this batch size come."""
        key = (len(values), batch_size)
        if key not in self.recordings:
            self.recordings[key] = self.record(compute, values.clone(), labels.clone())
        recording = self.recordings[key]
        recording.values.copy_(values)
        recording.labels.copy_(labels)
        recording.graph.replay()
        return recording.output.clone()

    def record(self, compute: Compute, values: Tensor, labels: Tensor) -> RecordedGraph:
        """Leaves the tensors that change as they were."""
        before = [tensor.clone() for tensor in self.changed]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                compute(values, labels)
        torch.cuda.current_stream().wait_stream(stream)
        graph, others = torch.cuda.CUDAGraph(), list(self.recordings.values())
        pool = others[0].graph.pool() if others else None
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            output = compute(values, labels)
        for tensor, kept in zip(self.changed, before, strict=True):
            tensor.copy_(kept)
        return RecordedGraph(graph=graph, values=values, labels=labels, output=output)
