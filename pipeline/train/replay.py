"""Records a GPU computation as a CUDA graph and replays it: launching the many small kernels of a spiking network from
Python takes longer than running them. A replay runs the same kernels, so results are the same bit for bit
(torch.cuda.CUDAGraph)."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

WARM_UP = 2
"""Calls before recording, in which kernels are compiled and algorithms selected."""
Compute = Callable[..., Tensor]
"""A function of tensors."""


@dataclass(frozen=True, kw_only=True)
class RecordedGraph:
    """A recorded computation, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


def records(device: torch.device) -> bool:
    """Whether computations are recorded there."""
    return device.type == "cuda"


class Replay:
    """Records and replays computations. Tensors that they read besides their arguments must keep their memory address.

    There is one recording per key; all share one memory pool for intermediate values.
    """

    def __init__(self, changed: list[Tensor]) -> None:
        """`changed` are the tensors that a computation writes in place."""
        self.changed = changed
        self.recordings: dict[Hashable, RecordedGraph] = {}

    def __call__(self, key: Hashable, compute: Compute, *inputs: Tensor) -> Tensor:
        """The result of `compute(*inputs)`, recorded at the first call with this key.

        The key has to determine the shapes of the inputs and all other values that the computation depends on: numbers
        of Python become constants of the recording.
        """
        if key not in self.recordings:
            self.recordings[key] = self.record(compute, *(value.clone() for value in inputs))
        recording = self.recordings[key]
        for kept, value in zip(recording.inputs, inputs, strict=True):
            kept.copy_(value)
        recording.graph.replay()
        return recording.output.clone()

    def record(self, compute: Compute, *inputs: Tensor) -> RecordedGraph:
        """Records a computation, and restores the tensors that it changes."""
        before = [tensor.detach().clone() for tensor in self.changed]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                compute(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph, others = torch.cuda.CUDAGraph(), list(self.recordings.values())
        pool = others[0].graph.pool() if others else None
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            output = compute(*inputs)
        with torch.no_grad():
            for tensor, kept in zip(self.changed, before, strict=True):
                tensor.copy_(kept)
        return RecordedGraph(graph=graph, inputs=inputs, output=output)
