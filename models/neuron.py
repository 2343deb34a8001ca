"""Leaky integrate-and-fire neurons: one step, the form to read. The network takes all steps at once (kernels/).

    v <- leak * v + current
    s  = H(v / threshold - 1)          strict: v == threshold does not fire
    v <- v - threshold * s             no gradient flows through the reset

Source: the authors' model.py. The threshold is 1 in all layers.
"""

from typing import Any

import torch
from torch import Tensor

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
    """Spikes and the membrane after one time step, each of `current`'s shape."""
    membrane = leak * membrane + current
    spikes: Tensor = Spike.apply(membrane / THRESHOLD - 1.0, surrogate)
    return spikes, membrane - THRESHOLD * spikes.detach()
