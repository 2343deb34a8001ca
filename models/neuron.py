"""Leaky integrate-and-fire neurons through time. Shapes: B samples, T time steps, then channels and pixels.

    v <- leak * v + current
    s  = H(v / threshold - 1)          strict: v == threshold does not fire
    v <- v - threshold * s             no gradient flows through the reset

Source: the authors' model.py. The threshold is 1 in all layers.
"""

from typing import Any

import torch
from torch import Tensor, nn

from models.surrogate import SURROGATES

THRESHOLD = 1.0


class Spike(torch.autograd.Function):
    """The step function, strict at zero, with a surrogate's derivative."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor, surrogate: str) -> Tensor:
        ctx.save_for_backward(excess)
        ctx.surrogate = SURROGATES[surrogate]
        return (excess > 0).to(excess.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (excess,) = ctx.saved_tensors
        return grads[0] * ctx.surrogate(excess), None


def lif_step(current: Tensor, membrane: Tensor, leak: float, surrogate: str) -> tuple[Tensor, Tensor]:
    """Spikes and the membrane after one time step, each of `current`'s shape. The form to read."""
    membrane = leak * membrane + current
    spikes: Tensor = Spike.apply(membrane / THRESHOLD - 1.0, surrogate)
    return spikes, membrane - THRESHOLD * spikes.detach()


class LifThroughTime(torch.autograd.Function):
    """All steps of lif_step as one node of the graph: backward needs the membranes before the reset, nothing else."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, leak: float, surrogate: str) -> Tensor:
        membranes, spikes = torch.empty_like(current), torch.empty_like(current)
        membrane = torch.zeros_like(current[:, 0])
        for t in range(current.shape[1]):
            torch.add(current[:, t], membrane, alpha=leak, out=membranes[:, t])
            torch.gt(membranes[:, t], THRESHOLD, out=spikes[:, t])
            membrane = torch.sub(membranes[:, t], spikes[:, t], alpha=THRESHOLD)
        ctx.save_for_backward(membranes)
        ctx.leak, ctx.surrogate = leak, SURROGATES[surrogate]
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """dL/du[t] = dL/ds[t] s'(u[t]) + leak dL/du[t + 1]: the recurrence runs back, the reset has no gradient."""
        (membranes,) = ctx.saved_tensors
        steps = membranes.shape[1]
        grad = torch.empty_like(membranes)
        for t in reversed(range(steps)):  # a step at a time, so that its temporaries stay in the cache
            torch.mul(grads[0][:, t], ctx.surrogate(membranes[:, t] / THRESHOLD - 1.0) / THRESHOLD, out=grad[:, t])
            if t + 1 < steps:
                grad[:, t].add_(grad[:, t + 1], alpha=ctx.leak)
        return grad, None, None


class Lif(nn.Module):
    """A layer of neurons: currents (B, T, C, H, W) to spikes of that shape; every sample starts at membrane 0."""

    def __init__(self, leak: float, surrogate: str) -> None:
        super().__init__()
        self.leak, self.surrogate = leak, surrogate

    def forward(self, current: Tensor) -> Tensor:
        spikes: Tensor = LifThroughTime.apply(current, self.leak, self.surrogate)
        return spikes
