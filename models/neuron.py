"""Neurons: leaky integrate-and-fire ones in one step, the form to read, and layers of them through time.

    v <- leak * v + current
    s  = H(v / threshold - 1)          strict: v == threshold does not fire
    v <- v - threshold * s             no gradient flows through the reset

Source: the authors' model.py. The threshold is 1 in all layers. The other resets take the place of the last line; the
network takes all steps at once (kernels/) where it can.
Shapes: T time steps, S stored steps (T, or 1 where all are the same), B samples, C channels, H height, W width.
"""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.surrogate import Surrogate

THRESHOLD = 1.0
"""Threshold of all neurons."""


class Spike(torch.autograd.Function):
    """The step function, strict at zero, with a surrogate's derivative."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor, surrogate: Surrogate) -> Tensor:
        """1.0 where the excess over the threshold is above 0, else 0.0."""
        ctx.save_for_backward(excess)
        ctx.surrogate = surrogate
        return (excess > 0).to(excess.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """The gradient times the surrogate's derivative."""
        (excess,) = ctx.saved_tensors
        return grads[0] * ctx.surrogate(excess), None


def subtract(membrane: Tensor, spikes: Tensor) -> Tensor:
    """What is above the threshold stays; no gradient flows through the reset. Source: the authors' model.py."""
    return membrane - THRESHOLD * spikes.detach()


def subtract_with_gradient(membrane: Tensor, spikes: Tensor) -> Tensor:
    """The same, and the surrogate's gradient flows through the reset too. Zenke & Vogels, "The remarkable robustness of
    surrogate gradient learning" (2021), compares the two."""
    return membrane - THRESHOLD * spikes


def zero(membrane: Tensor, spikes: Tensor) -> Tensor:
    """A membrane that fired starts from 0; no gradient flows through the reset. Wu et al. 2018 (STBP), there with
    the gradient."""
    return membrane * (1.0 - spikes.detach())


def none(membrane: Tensor, spikes: Tensor) -> Tensor:
    """A spike costs its membrane nothing."""
    return membrane


RESETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "subtract": subtract,
    "subtract-with-gradient": subtract_with_gradient,
    "zero": zero,
    "none": none,
}
"""By the name in `reset` of a NetworkConfig."""


def lif_step(
    current: Tensor, membrane: Tensor, leak: float | Tensor, surrogate: Surrogate, reset: str = "subtract"
) -> tuple[Tensor, Tensor]:
    """Spikes and the membrane after one time step, each of `current`'s shape."""
    membrane = leak * membrane + current
    spikes: Tensor = Spike.apply(membrane / THRESHOLD - 1.0, surrogate)
    return spikes, RESETS[reset](membrane, spikes)


class Neurons(nn.Module):
    """The neurons of one layer of C channels.

    A trained leak is the logistic function of a parameter, as in Fang et al. 2021 (PLIF): it stays between 0 and 1, and
    weight decay draws it to 1/2. Theirs also scales the input, by 1 - leak; ours does not, as the
    authors' neuron does not. Theirs is one a layer; one a channel lies between that and the one a neuron of Yin et al.
    2021 (models/surrogate.py).
    """

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        super().__init__()
        self.kind, self.leak, self.reset = config.neuron, config.leak, config.reset
        self.surrogate = surrogate_of(config)
        self.leak_logit: nn.Parameter | None = None
        if config.leak_trained != "never":
            start = math.log(config.leak / (1.0 - config.leak))
            self.leak_logit = nn.Parameter(torch.full((channels if config.leak_trained == "channel" else 1,), start))
        self.fused = self.kind == "lif" and config.reset == "subtract" and config.leak_trained == "never"
        """Whether the kernels know them; else they follow the kernels' normalization in a loop over time."""
        if self.kind == "lif" and not self.fused:
            _warn(config.reset, config.leak_trained)

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes (T, B, C, H, W) that the currents (T, B, C, H, W) drive, by autograd through every step."""
        if self.kind == "relu":
            return currents.relu()
        driving = currents.to(torch.promote_types(currents.dtype, torch.float32))
        leak = self.leak if self.leak_logit is None else self.leak_logit.sigmoid().view(-1, 1, 1)
        membrane, fired = torch.zeros_like(driving[0]), []
        for current in driving:
            spikes, membrane = lif_step(current, membrane, leak, self.surrogate, self.reset)
            fired.append(spikes)
        return torch.stack(fired).to(currents.dtype)


def surrogate_of(config: NetworkConfig) -> Surrogate:
    """The surrogate that a network is configured with."""
    return Surrogate(shape=config.surrogate, height=config.surrogate_height, width=config.surrogate_width)


@functools.cache
def _warn(reset: str, leak_trained: str) -> None:
    """Once for each choice."""
    warnings.warn(
        f"the fused kernels know neither reset {reset} nor leak_trained {leak_trained} (only subtract and never): "
        "neurons are computed by a loop over time, which takes several times as long and keeps every membrane",
        stacklevel=4,
    )
