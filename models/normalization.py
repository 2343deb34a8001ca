"""Normalizations of the currents of a layer, by name.

Shapes: T time steps, S stored steps (T, or 1 where all are the same), B samples, C channels, H height, W width,
G sets of parameters and statistics (T, or 1 for all steps).
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from math import sqrt

import torch
from torch import Tensor, nn

from models.kernels.choice import chosen
from models.kernels.operation import Statistics, flat
from models.kernels.reference import statistics_type
from models.neuron import THRESHOLD

EPSILON = 1e-4  # authors' model.py
"""Added to the variance."""
STATISTICS_MOMENTUM = 0.1  # authors' model.py
"""Share of a new batch in the running statistics."""

_counting: ContextVar[bool] = ContextVar("counting", default=True)


@contextlib.contextmanager
def computed_again() -> Iterator[None]:
    """Within it, a forward pass leaves the running statistics alone: the batch has been counted."""
    token = _counting.set(False)
    try:
        yield
    finally:
        _counting.reset(token)


class Normalization(nn.Module):
    """Batch normalization over samples and pixels, with trained gain and bias and running statistics.

    Parameters and statistics are of shape (G, C): one set for all time steps, or one a time step.
    """

    running_mean: Tensor
    running_var: Tensor
    scale = 1.0
    """Of the normalized values, beside the gain."""

    def __init__(self, sets: int, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(sets, channels))
        self.bias = nn.Parameter(torch.zeros(sets, channels))
        self.register_buffer("running_mean", torch.zeros(sets, channels))
        self.register_buffer("running_var", torch.ones(sets, channels))

    def forward(self, currents: Tensor, steps: int) -> tuple[Tensor, Tensor, Statistics]:
        """Gain, bias and statistics of the currents (S, B, C, H, W), which the operation applies."""
        return *self.trained(), self.statistics(currents, steps)

    def trained(self) -> tuple[Tensor, Tensor]:
        """Gain and bias as they are applied, each (G, C) or (T, C)."""
        return self.gain * self.scale, self.bias

    @torch.no_grad()
    def statistics(self, currents: Tensor, steps: int) -> Statistics:
        """Those of the batch (S, B, C, H, W) in training, which enter the running ones; else the running ones.

        Raises ValueError for a batch with fewer than two values a channel, which have no variance.
        """
        if not self.training:
            return Statistics(mean=self.running_mean, inverse=(self.running_var + EPSILON).rsqrt(), count=0)
        values = flat(currents)
        if values.shape[1] < 2:
            raise ValueError(
                f"a batch of shape {tuple(currents.shape)} has no variance; two values a channel are needed"
            )
        mean, deviations = chosen(values).moments(values)
        count = values.shape[1]
        if len(self.running_mean) == 1:
            mean, deviations, count = over_steps(mean, deviations, count, steps)
        if _counting.get():
            self.running_mean.lerp_(mean.expand_as(self.running_mean), STATISTICS_MOMENTUM)
            self.running_var.lerp_((deviations / (count - 1)).expand_as(self.running_var), STATISTICS_MOMENTUM)
        inverse = (deviations / count + EPSILON).rsqrt()
        return Statistics(
            mean=mean.expand_as(self.running_mean), inverse=inverse.expand_as(self.running_mean), count=count
        )


def over_steps(mean: Tensor, deviations: Tensor, count: int, steps: int) -> tuple[Tensor, Tensor, int]:
    """Mean, sum of squared deviations, each (1, C), and number of values over all steps, from those of each step."""
    total = mean.mean(0, keepdim=True)
    between = count * (mean - total).square()
    return total, (deviations + between).sum(0, keepdim=True) * (steps // len(mean)), count * steps


class Bntt(Normalization):
    """A set a time step, biases trained too: what the authors' code computes (its comment says otherwise).

    After Kim & Panda, "Revisiting Batch Normalization for Training Low-latency Deep SNNs from Scratch" (2020).
    """

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(time_steps, channels)


class BnttWithoutBiases(Bntt):
    """Bntt with gains alone: as Kim & Panda describe it, and as a comment in the authors' code says of theirs."""

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
    """Bn whose normalized values are scaled by alpha times the threshold: alpha is 1, and 1/sqrt(2) where two branches
    are added before the neurons (shortcut vanilla). Zheng et al., "Going Deeper With Directly-Trained Larger Spiking
    Neural Networks" (AAAI 2021), equations 5 and 10."""

    scale = THRESHOLD

    def add_to_another(self) -> None:
        """From now on the values are those of a branch that is added to another."""
        self.scale = THRESHOLD / sqrt(2)


class TeBn(Bn):
    """Bn whose output is multiplied by a trained number of each time step, 1 at first. Duan et al., "Temporal Effective
    Batch Normalization in Spiking Neural Networks" (NeurIPS 2022)."""

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(channels, time_steps)
        self.weight_of_step = nn.Parameter(torch.ones(time_steps, 1))

    def trained(self) -> tuple[Tensor, Tensor]:
        return self.gain * self.weight_of_step, self.bias * self.weight_of_step


class Unnormalized(nn.Module):
    """The currents as they are."""

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
