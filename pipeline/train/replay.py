"""Records a GPU computation as a CUDA graph and replays it: launching the many small kernels of a spiking network from
Python takes longer than running them. A replay runs the same kernels, so results are the same bit for bit
(torch.cuda.CUDAGraph)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

WARM_UP = 2
"""Calls before recording, in which kernels are compiled and algorithms selected."""
Compute = Callable[[Tensor, Tensor], Tensor]
"""A function of samples (B, ...) and labels (B,)."""


@dataclass(frozen=True, kw_only=True)
class RecordedGraph:
    """A recorded computation, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    values: Tensor
    labels: Tensor
    output: Tensor


class Replay:
    """Records and replays computations. Tensors that they read besides their arguments must keep their memory address.

    There is one recording per pair of sample count and batch size; all share one memory pool for intermediate values.
    """

    def __init__(self, changed: list[Tensor]) -> None:
        """`changed` are the tensors that a computation writes in place."""
        self.changed = changed
        self.recordings: dict[tuple[int, int], RecordedGraph] = {}

    def __call__(self, compute: Compute, values: Tensor, labels: Tensor, batch_size: int) -> Tensor:
        """The result of `compute(values, labels)`; recorded at the first call with this sample count and batch size."""
        key = (len(values), batch_size)
        if key not in self.recordings:
            self.recordings[key] = self.record(compute, values.clone(), labels.clone())
        recording = self.recordings[key]
        recording.values.copy_(values)
        recording.labels.copy_(labels)
        recording.graph.replay()
        return recording.output.clone()

    def record(self, compute: Compute, values: Tensor, labels: Tensor) -> RecordedGraph:
        """Records a computation, and restores the tensors that it changes."""
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
