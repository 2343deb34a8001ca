"""Networks and layers that compute in milliseconds."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from models.kernels.operation import Statistics, normalize_and_fire
from models.neuron import lif_step
from models.normalization import Normalization, Unnormalized
from models.sresnet import SResNet
from models.surrogate import AUTHORS, Surrogate
from tests.train.tiny import NETWORK

PASSES = ("reference", "cpu")
"""Implementations that run on every machine."""


def small_network(*, frames: bool = False, classes: int = 3, channels: int = 3, **parts: Any) -> SResNet:
    """A network with drawn weights in float64, T = 3, on 8x8 pixels; `parts` replace what NETWORK says."""
    config = replace(NETWORK, **({"time_steps": 3} | parts))
    model = SResNet(config, input_shape=(2 if frames else channels, 8, 8), classes=classes, frames=frames)
    model.reset_parameters(torch.Generator().manual_seed(1))
    return model.double()


def small_inputs(model: SResNet, batch: int = 4) -> Tensor:
    """Random images or event frames of the network's shape, float64."""
    steps = (model.config.time_steps,) if model.frames else ()
    return drawn(batch, *steps, *model.input_shape)


def drawn(*shape: int, seed: int = 2) -> Tensor:
    """Normally distributed numbers, the same each time, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stepped(
    currents: Tensor, leak: float | Tensor, *, surrogate: Surrogate = AUTHORS, reset: str = "subtract"
) -> Tensor:
    """Spikes of (T, ...), a step at a time."""
    membrane, spikes = torch.zeros_like(currents[0]), []
    for current in currents:
        spike, membrane = lif_step(current, membrane, leak, surrogate, reset)
        spikes.append(spike)
    return torch.stack(spikes)


def neurons(
    currents: Tensor,
    leak: float,
    *,
    steps: int | None = None,
    skip: Tensor | None = None,
    surrogate: Surrogate = AUTHORS,
) -> Tensor:
    """Spikes (T, B, C, H, W) of neurons that the currents (S, B, C, H, W) themselves drive: gain 1, bias 0, mean 0,
    variance 1."""
    one = torch.ones(1, currents.shape[2], dtype=currents.dtype)
    statistics = Statistics(mean=0 * one, inverse=one, count=0)
    steps = len(currents) if steps is None else steps
    return normalize_and_fire(
        currents, one, 0 * one, statistics, steps=steps, skip=skip, leak=leak, surrogate=surrogate
    )


def normalized(
    norm: Normalization | Unnormalized,
    currents: Tensor,
    *,
    steps: int | None = None,
    skip: Tensor | None = None,
    leak: float | None = None,
) -> Tensor:
    """What a layer makes of its currents (S, B, C, H, W), as models/residual.py does: without a leak, no neurons."""
    steps = len(currents) if steps is None else steps
    return normalize_and_fire(
        currents,
        *norm(currents, steps),
        steps=steps,
        skip=skip,
        leak=leak,
        surrogate=AUTHORS,
    )
