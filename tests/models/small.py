"""Networks that compute in milliseconds."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from models.sresnet import SResNet
from tests.train.tiny import NETWORK


def small_network(*, frames: bool = False, classes: int = 3, **parts: Any) -> SResNet:
    """A network with drawn weights in float64, T = 3, on 8x8 pixels; `parts` replace what NETWORK says."""
    config = replace(NETWORK, **({"time_steps": 3} | parts))
    model = SResNet(config, input_shape=(2 if frames else 3, 8, 8), classes=classes, frames=frames)
    model.reset_parameters(torch.Generator().manual_seed(1))
    return model.double()


def small_inputs(model: SResNet, batch: int = 4) -> Tensor:
    """Random images or event frames of the network's shape, float64."""
    steps = (model.config.time_steps,) if model.frames else ()
    return drawn(batch, *steps, *model.input_shape)


def drawn(*shape: int) -> Tensor:
    """Normally distributed numbers, the same each time, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
