"""Leaky integrate-and-fire neurons: one time step as the readable definition, and layers over all time steps.

    v <- leak * v + current
    s  = H(v / threshold - 1)          strict: v == threshold does not fire
    v <- v - threshold * s             no gradient flows through the reset

Source: the authors' model.py. The threshold is 1 in all layers. Other resets replace the last line. Where possible, the
network computes all steps at once in fused kernels (kernels/).
Shapes: T time steps, B samples, C channels, H height, W width.
"""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .config import NetworkConfig
from .surrogate import Surrogate

THRESHOLD = 1.0
"""Threshold of all neurons."""


class Spike(torch.autograd.Function):
    """The step function, 0 at zero, with a surrogate derivative."""

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
    """Soft reset: a spike subtracts the threshold. No gradient flows through it. Source: the authors' model.py."""
    return membrane - THRESHOLD * spikes.detach()


def subtract_with_gradient(membrane: Tensor, spikes: Tensor) -> Tensor:
    """Soft reset, with the surrogate's gradient flowing through the reset too. Zenke & Vogels, "The remarkable
    robustness of surrogate gradient learning" (2021), compares both."""
    return membrane - THRESHOLD * spikes


def zero(membrane: Tensor, spikes: Tensor) -> Tensor:
    """Hard reset: a membrane that fired is set to 0. No gradient flows through the reset, unlike in Wu et al. 2018
    (STBP)."""
    return membrane * (1.0 - spikes.detach())


def none(membrane: Tensor, spikes: Tensor) -> Tensor:
    """No reset: a spike does not change the membrane."""
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
    """Spikes and membrane after one time step, each with the shape of `current`."""
    membrane = leak * membrane + current
    spikes: Tensor = Spike.apply(membrane / THRESHOLD - 1.0, surrogate)
    return spikes, RESETS[reset](membrane, spikes)


class Neurons(nn.Module):
    """The neurons of one layer of C channels.

    A trained leak is the logistic function of a parameter, as in Fang et al. 2021 (PLIF): it stays between 0 and 1, and
    weight decay pulls it towards 1/2. PLIF also scales the input by 1 - leak; ours does not, like the authors' neuron.
    PLIF has one leak per layer and Yin et al. 2021 (models/surrogate.py) one per neuron; one per channel is in between.
    """

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        super().__init__()
        self.kind, self.leak, self.reset = config.neuron, config.leak, config.reset
        self.surrogate = surrogate_of(config)
        self.leak_logit: nn.Parameter | None = None
        if config.leak_trained != "never":
            start = math.log(config.leak / (1.0 - config.leak))
            self.leak_logit = nn.Parameter(torch.full((channels if config.leak_trained == "channel" else 1,), start))
        self.fused = is_fused(config)
        if self.kind == "lif" and not self.fused:
            _warn(config.reset, config.leak_trained)

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes (T, B, C, H, W) of the neurons for currents (T, B, C, H, W), with autograd through every step."""
        if self.kind == "relu":
            return currents.relu()
        driving = currents.to(torch.promote_types(currents.dtype, torch.float32))
        leak = self.leak if self.leak_logit is None else self.leak_logit.sigmoid().view(-1, 1, 1)
        membrane, fired = torch.zeros_like(driving[0]), []
        for current in driving:
            spikes, membrane = lif_step(current, membrane, leak, self.surrogate, self.reset)
            fired.append(spikes)
        return torch.stack(fired).to(currents.dtype)


def is_fused(config: NetworkConfig) -> bool:
    """Whether the fused kernels compute the neurons; otherwise a loop over time does, after the normalization."""
    return config.neuron == "lif" and config.reset == "subtract" and config.leak_trained == "never"


def surrogate_of(config: NetworkConfig) -> Surrogate:
    """The surrogate that a network is configured with."""
    return Surrogate(shape=config.surrogate, height=config.surrogate_height, width=config.surrogate_width)


@functools.cache
def _warn(reset: str, leak_trained: str) -> None:
    """Warns once for each combination."""
    warnings.warn(
        f"the fused kernels support only reset subtract with leak_trained never, not {reset} with {leak_trained}: "
        "a loop over time computes the neurons, which takes several times as long and keeps every membrane in memory",
        stacklevel=4,
    )
