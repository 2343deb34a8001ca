"""From the features of the last block to the output, by name.

A linear layer without bias on the features' means over the pixels gives the output neurons a current at each time step;
readouts differ in what the neurons make of it. Shapes: T time steps, B samples, C channels, H height, W width,
K classes.
"""

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.residual import Firing

VOTERS = 10  # authors' model.py: AvgPool1d(10, 10)
"""Output neurons of a class with `boosting`."""


class MeanVoltage(nn.Module):
    """Output neurons that only integrate: the voltage is the sum of the currents, and the logit its mean over time.

    All of it is linear, so the mean over time may come first. Source: the authors' model.py.
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
        """What a decision after each step would go by: the accumulated voltage, (T, B, K)."""
        return currents.cumsum(0)


class Boosting(MeanVoltage):
    """Ten linear voters a class, averaged: one linear layer at another scale. Source: the authors' model.py."""

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes * VOTERS)

    def forward(self, means: Tensor) -> Tensor:
        return super().forward(means).unflatten(-1, (-1, VOTERS)).mean(-1)


class AfterAllSteps(MeanVoltage):
    """A readout whose logits are its scores after the last step, at the scale of its source: a leaky voltage sums up to
    1 / (1 - leak) currents and a count up to T spikes, where the authors' mean is one current."""

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        self.leak = config.leak

    def logits(self, features: Tensor) -> Tensor:
        return self.scores(self.currents(features))[-1]


class LastVoltage(AfterAllSteps):
    """The voltage of leaky output neurons that never fire. Cramer et al., "The Heidelberg Spiking Data Sets for the
    Systematic Evaluation of Spiking Neural Networks" (2022), there the last-time-step loss."""

    def scores(self, currents: Tensor) -> Tensor:
        return after_each(currents, lambda voltage, current: self.leak * voltage + current)


class MaximumVoltage(LastVoltage):
    """The greatest voltage that such a neuron had so far. Cramer et al. 2022, there the max-over-time loss."""

    def scores(self, currents: Tensor) -> Tensor:
        return after_each(super().scores(currents), torch.maximum)


class SpikeCount(AfterAllSteps):
    """The spikes of output neurons like all others. Wu et al. 2018 (STBP), which takes their rate."""

    def __init__(self, config: NetworkConfig, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        self.fire = Firing(config, classes)

    def scores(self, currents: Tensor) -> Tensor:
        spikes: Tensor = self.fire(currents.unsqueeze(-1).unsqueeze(-1))
        return after_each(spikes.flatten(2), torch.add)


def after_each(values: Tensor, step: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What has come of (T, ...) after each step; in plain steps, which have one order on every device."""
    return torch.stack(list(accumulate(values, step)))


READOUTS: dict[str, type[MeanVoltage]] = {
    "mean-voltage": MeanVoltage,
    "boosting": Boosting,
    "last-voltage": LastVoltage,
    "maximum-voltage": MaximumVoltage,
    "spike-count": SpikeCount,
}
"""By the name in `readout` of a NetworkConfig."""
