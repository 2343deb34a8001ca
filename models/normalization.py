"""Normalizations of a layer's currents, by name.

Shapes: T time steps, S stored steps (T, or 1 if all are the same), B samples, C channels, H height, W width,
G sets of parameters and statistics (T, or 1 for all steps).
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from math import sqrt

import torch
from torch import Tensor, nn

from .kernels.choice import chosen
from .kernels.operation import Statistics, flat
from .kernels.reference import statistics_type
from .neuron import THRESHOLD

EPSILON = 1e-4  # authors' model.py
"""Added to the variance."""
STATISTICS_MOMENTUM = 0.1  # authors' model.py
"""Share of a new batch in the running statistics."""

_share: ContextVar[float] = ContextVar("share", default=STATISTICS_MOMENTUM)


@contextlib.contextmanager
def share_of_batch(share: float) -> Iterator[None]:
    """Within the block, the share of a new batch in the running statistics: 0 if the batch has already been counted, 1
    if they are to be those of this batch alone."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


class Normalization(nn.Module):
    """Batch normalization over samples and pixels, with trained gain and bias and running statistics.

    Parameters and statistics have shape (G, C): one set for all time steps, or one per time step.
    """

    running_mean: Tensor
    running_var: Tensor
    scale = 1.0
    """Constant factor on the gain."""

    def __init__(self, sets: int, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(sets, channels))
        self.bias = nn.Parameter(torch.zeros(sets, channels))
        self.register_buffer("running_mean", torch.zeros(sets, channels))
        self.register_buffer("running_var", torch.ones(sets, channels))

    def forward(self, currents: Tensor, steps: int) -> tuple[Tensor, Tensor, Statistics]:
        """Gain, bias and statistics for the currents (S, B, C, H, W); kernels/operation.py applies them."""
        return *self.trained(), self.statistics(currents, steps)

    def trained(self) -> tuple[Tensor, Tensor]:
        """Gain and bias as they are applied, each (G, C) or (T, C)."""
        return self.gain * self.scale, self.bias

    @torch.no_grad()
    def statistics(self, currents: Tensor, steps: int) -> Statistics:
        """In training, statistics of the batch (S, B, C, H, W), which update the running ones; else the running ones.

        Raises ValueError for a batch with fewer than two values per channel, which have no variance.
        """
        if not self.training:
            return Statistics(mean=self.running_mean, inverse=(self.running_var + EPSILON).rsqrt(), count=0)
        values = flat(currents)
        if values.shape[1] < 2:
            raise ValueError(
                f"a batch of shape {tuple(currents.shape)} has no variance; two values per channel are needed"
            )
        mean, deviations = chosen(values).moments(values)
        count = values.shape[1]
        if len(self.running_mean) == 1:
            mean, deviations, count = over_steps(mean, deviations, count, steps)
        if share := _share.get():
            self.running_mean.lerp_(mean.expand_as(self.running_mean), share)
            self.running_var.lerp_((deviations / (count - 1)).expand_as(self.running_var), share)
        inverse = (deviations / count + EPSILON).rsqrt()
        return Statistics(
            mean=mean.expand_as(self.running_mean), inverse=inverse.expand_as(self.running_mean), count=count
        )


def over_steps(mean: Tensor, deviations: Tensor, count: int, steps: int) -> tuple[Tensor, Tensor, int]:
    """Mean (1, C), sum of squared deviations (1, C) and count over all time steps, from those of each step."""
    total = mean.mean(0, keepdim=True)
    between = count * (mean - total).square()
    return total, (deviations + between).sum(0, keepdim=True) * (steps // len(mean)), count * steps


class Bntt(Normalization):
    """One set per time step, with trained biases: what the authors' code computes (its comment says otherwise).

    After Kim & Panda, "Revisiting Batch Normalization for Training Low-latency Deep SNNs from Scratch" (2020).
    """

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(time_steps, channels)


class BnttWithoutBiases(Bntt):
    """Bntt without biases: as Kim & Panda describe it, and as a comment in the authors' code claims."""

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(channels, time_steps)
        del self.bias

    def trained(self) -> tuple[Tensor, Tensor]:
        return self.gain * self.scale, torch.zeros_like(self.gain)


class Bn(Normalization):
    """One set for all time steps; the statistics are over samples, pixels and time. Ioffe & Szegedy 2015."""

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(1, channels)


class TdBn(Bn):
    """Bn with normalized values scaled by alpha times the threshold: alpha is 1/sqrt(2) if two branches are added
    before the neurons (shortcut vanilla), else 1. Zheng et al., "Going Deeper With Directly-Trained Larger Spiking
    Neural Networks" (AAAI 2021), equations 5 and 10."""

    scale = THRESHOLD

    def scale_for_sum(self) -> None:
        """Sets alpha for a branch that is added to another one before the neurons."""
        self.scale = THRESHOLD / sqrt(2)


class TeBn(Bn):
    """Bn with its output multiplied by a trained weight per time step, initially 1. Duan et al., "Temporal Effective
    Batch Normalization in Spiking Neural Networks" (NeurIPS 2022)."""

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(channels, time_steps)
        self.weight_of_step = nn.Parameter(torch.ones(time_steps, 1))

    def trained(self) -> tuple[Tensor, Tensor]:
        return self.gain * self.weight_of_step, self.bias * self.weight_of_step


class Unnormalized(nn.Module):
    """No normalization: the currents pass unchanged."""

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__()

    def forward(self, currents: Tensor, steps: int) -> tuple[Tensor, Tensor, Statistics]:
        """Gain 1, bias 0, mean 0, variance 1, each (1, C)."""
        one = torch.ones(1, currents.shape[2], dtype=statistics_type(currents.dtype), device=currents.device)
        nothing = torch.zeros_like(one)
        return one, nothing, Statistics(mean=nothing, inverse=one, count=0)


NORMALIZATIONS: dict[str, type[Bntt] | type[Bn] | type[Unnormalized]] = {
    "bntt": Bntt,
    "bntt-without-biases": BnttWithoutBiases,
    "bn": Bn,
    "tdbn": TdBn,
    "tebn": TeBn,
    "none": Unnormalized,
}
"""By the name in `normalization` of a NetworkConfig."""
