"""Readouts from the features of the last block to the logits, by name.

At each time step, a linear layer without bias on the spatially averaged features gives the currents of the output
neurons; readouts differ in these neurons. Shapes: T time steps, B samples, C channels, H height, W width, K classes.
"""

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor, nn

from .config import NetworkConfig
from .residual import Firing

VOTERS = 10  # authors' model.py: AvgPool1d(10, 10)
"""Output neurons of a class with `boosting`."""


class MeanVoltage(nn.Module):
    """Output neurons that only integrate: the logit is the accumulated current divided by T.

    Everything is linear, so the mean over time is taken first. Source: the authors' model.py.
    """

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, means: Tensor) -> Tensor:
        """Currents (..., K) of means (..., C)."""
        currents: Tensor = self.linear(means)
        return currents

    def logits(self, features: Tensor) -> Tensor:
        """(T, B, C, H, W) to (B, K)."""
        logits: Tensor = self(features.mean((0, 3, 4), dtype=self.linear.weight.dtype))
        return logits

    def currents(self, features: Tensor) -> Tensor:
        """(T, B, C, H, W) to (T, B, K)."""
        currents: Tensor = self(features.mean((3, 4), dtype=self.linear.weight.dtype))
        return currents

    def scores(self, currents: Tensor) -> Tensor:
        """Scores for a decision after each time step: the accumulated voltage, (T, B, K)."""
        return currents.cumsum(0)


class Boosting(MeanVoltage):
    """Ten linear voters per class, averaged: one linear layer at another scale. Source: the authors' model.py."""

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes * VOTERS)

    def forward(self, means: Tensor) -> Tensor:
        return super().forward(means).unflatten(-1, (-1, VOTERS)).mean(-1)


class AfterAllSteps(MeanVoltage):
    """A readout whose logits are its scores after the last step, at the scale of its source: a leaky voltage is up to
    1 / (1 - leak) currents and a count up to T spikes, while the authors' mean is on the scale of one current."""

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        self.leak = config.leak

    def logits(self, features: Tensor) -> Tensor:
        return self.scores(self.currents(features))[-1]


class LastVoltage(AfterAllSteps):
    """The voltage of leaky output neurons that never fire. The last-time-step loss of Cramer et al., "The Heidelberg
    Spiking Data Sets for the Systematic Evaluation of Spiking Neural Networks" (2022)."""

    def scores(self, currents: Tensor) -> Tensor:
        return scan(currents, lambda voltage, current: self.leak * voltage + current)


class MaximumVoltage(LastVoltage):
    """The maximum so far of the voltage of such a neuron. The max-over-time loss of Cramer et al. 2022."""

    def scores(self, currents: Tensor) -> Tensor:
        return scan(super().scores(currents), torch.maximum)


class SpikeCount(AfterAllSteps):
    """The spike count of output neurons that are like all other neurons. Wu et al. 2018 (STBP) use their rate."""

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        self.fire = Firing(config, classes)

    def scores(self, currents: Tensor) -> Tensor:
        spikes: Tensor = self.fire(currents.unsqueeze(-1).unsqueeze(-1))
        return scan(spikes.flatten(2), torch.add)


def scan(values: Tensor, step: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Running results (T, ...) of `step` over time; sequential, so that every device uses the same order."""
    return torch.stack(list(accumulate(values, step)))


READOUTS: dict[str, type[MeanVoltage]] = {
    "mean-voltage": MeanVoltage,
    "boosting": Boosting,
    "last-voltage": LastVoltage,
    "maximum-voltage": MaximumVoltage,
    "spike-count": SpikeCount,
}
"""By the name in `readout` of a NetworkConfig."""
