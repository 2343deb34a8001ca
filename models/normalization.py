"""Normalizations of the currents (B, T, C, H, W) of a layer, by name."""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from models.neuron import THRESHOLD

EPSILON = 1e-4  # authors' model.py
MOMENTUM = 0.1  # authors' model.py


class Normalization(nn.Module):
    """Batch normalization over samples and pixels, with trained gain and bias and running statistics.

    Parameters and statistics are of shape `(sets, C)`: one set for all time steps, or one a time step.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, sets: int, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(sets, channels))
        self.bias = nn.Parameter(torch.zeros(sets, channels))
        self.register_buffer("running_mean", torch.zeros(sets, channels))
        self.register_buffer("running_var", torch.ones(sets, channels))

    def normalize(self, values: Tensor, *, scale: float = 1.0) -> Tensor:
        """Batch norm of (N, sets * C, ...) with `scale` on the gain."""
        return batch_norm(
            values,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.gain.view(-1) * scale if scale != 1.0 else self.gain.view(-1),
            self.bias.view(-1),
            self.training,
            MOMENTUM,
            EPSILON,
        )


class Bntt(Normalization):
    """A set a time step, biases trained too: what the authors' code computes (its comment says otherwise).

    After Kim & Panda, "Revisiting Batch Normalization for Training Low-latency Deep SNNs from Scratch" (2020).
    """

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(time_steps, channels)

    def forward(self, currents: Tensor) -> Tensor:
        # Steps and channels side by side: one batch_norm for all steps, without a copy.
        return self.normalize(currents.flatten(1, 2)).view_as(currents)


class Bn(Normalization):
    """One set for all time steps; the statistics are over samples, pixels and time. Ioffe & Szegedy 2015."""

    def __init__(self, channels: int, time_steps: int) -> None:
        super().__init__(1, channels)

    def forward(self, currents: Tensor) -> Tensor:
        return self.normalize(currents.flatten(0, 1)).view_as(currents)


class TdBn(Bn):
    """Bn whose normalized values are scaled by the threshold. Zheng et al., "Going Deeper With Directly-Trained Larger
    Spiking Neural Networks" (AAAI 2021), equation 5 with alpha = 1."""

    def forward(self, currents: Tensor) -> Tensor:
        return self.normalize(currents.flatten(0, 1), scale=THRESHOLD).view_as(currents)


NORMALIZATIONS: dict[str, type[Bntt] | type[Bn]] = {"bntt": Bntt, "bn": Bn, "tdbn": TdBn}
