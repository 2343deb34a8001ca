"""From the features of the last block to the output voltage, by name."""

from torch import Tensor, nn

VOTERS = 10  # authors' model.py: AvgPool1d(10, 10)


class MeanVoltage(nn.Module):
    """Mean over pixels, then a linear layer without bias: (B, T, C, H, W) to the current of each step (B, T, classes).

    The output neuron only integrates; its voltage is the sum of these currents, and the logit its mean over time.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        currents: Tensor = self.linear(features.mean((3, 4)))
        return currents


class Boosting(MeanVoltage):
    """Ten linear voters a class, averaged: one linear layer at another scale. Source: the authors' model.py."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes * VOTERS)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).unflatten(-1, (-1, VOTERS)).mean(-1)


READOUTS: dict[str, type[MeanVoltage]] = {"mean-voltage": MeanVoltage, "boosting": Boosting}
