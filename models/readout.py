"""From the features of the last block to the output voltage, by name."""

from torch import Tensor, nn

VOTERS = 10  # authors' model.py: AvgPool1d(10, 10)


class MeanVoltage(nn.Module):
    """A linear layer without bias on the features' means over the pixels: (..., channels) to (..., classes).

    The output neuron only integrates these currents of each time step; its voltage is their sum, and the logit its
    mean over time. All of it is linear, so the mean over time may come first.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, means: Tensor) -> Tensor:
        currents: Tensor = self.linear(means)
        return currents


class Boosting(MeanVoltage):
    """Ten linear voters a class, averaged: one linear layer at another scale. Source: the authors' model.py."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes * VOTERS)

    def forward(self, means: Tensor) -> Tensor:
        return super().forward(means).unflatten(-1, (-1, VOTERS)).mean(-1)


READOUTS: dict[str, type[MeanVoltage]] = {"mean-voltage": MeanVoltage, "boosting": Boosting}
