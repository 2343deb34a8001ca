"""Initial weights have the standard deviation of the cited source."""

from math import sqrt

import pytest
import torch
from torch import Tensor

from models.initialization import INITIALIZATIONS
from models.residual import Layer, each_step
from models.sresnet import SResNet
from tests.models.small import small_network


def started(name: str, *, frames: bool = False, **parts: object) -> SResNet:
    model = small_network(initialization=name, frames=frames, width=8, **parts)
    model.reset_parameters(torch.Generator().manual_seed(5))
    return model


def test_xavier_is_uniform_with_gain_2() -> None:
    """A 3x3 convolution from 8 to 8 channels: limit 2 sqrt(6 / (72 + 72)) = 0.408."""
    weight = started("xavier").get_submodule("blocks.0.first").conv.weight
    assert weight.abs().max().item() == pytest.approx(2 * sqrt(6 / 144), rel=0.01)
    assert weight.std().item() == pytest.approx(2 * sqrt(2 / 144), rel=0.1)


def test_kaiming_has_the_variance_of_the_inputs() -> None:
    """sqrt(2 / 72) = 0.167 for 72 inputs a neuron."""
    weight = started("kaiming").get_submodule("blocks.0.first").conv.weight
    assert weight.std().item() == pytest.approx(sqrt(2 / 72), rel=0.1)


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize("normalization", ["bntt", "none"])
def test_threshold_balanced_currents_reach_the_threshold(frames: bool, normalization: str) -> None:
    """On the inputs that were drawn, the greatest current of every layer is the threshold, so one frame
    alone makes no neuron fire: without a normalization some layers can start without input."""
    model = started("threshold-balanced", frames=frames, normalization=normalization)
    greatest: dict[str, float] = {}

    def note(name: str, layer: Layer, inputs: tuple[Tensor, ...]) -> None:
        greatest[name] = each_step(layer.conv, inputs[0]).max().item()

    for name, layer in model.named_modules():
        if isinstance(layer, Layer):
            layer.register_forward_pre_hook(lambda layer, inputs, name=name: note(name, layer, inputs))
    generator = torch.Generator().manual_seed(5)
    INITIALIZATIONS["xavier"](model, model.drawn, generator)  # draws as many numbers as before
    model.reset_parameters(torch.Generator().manual_seed(5))
    assert len(greatest) == 9
    with torch.no_grad():
        greatest.clear()
        model(model.drawn(generator))
    silent = [name for name, value in greatest.items() if value == 0]
    assert all(value == pytest.approx(1.0) for name, value in greatest.items() if name not in silent)
    assert len(silent) < 5 if frames and normalization == "none" else not silent


def test_running_statistics_are_those_of_a_new_network() -> None:
    model = started("threshold-balanced")
    assert all(not value.any() for name, value in model.named_buffers() if name.endswith("running_mean"))
