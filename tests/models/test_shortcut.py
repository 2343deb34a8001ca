"""A block's output for two spikes with each kind of shortcut, and where its neurons are."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.residual import Block, Downsampling, Firing, SpikingLayer
from models.shortcut import SHORTCUTS
from tests.models.small import drawn, stepped
from tests.train.tiny import NETWORK

PAIRS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
"""A spike of the second layer, one of the skip."""
BY_HAND = {
    "spike-add": [0, 1, 1, 2],
    "and": [0, 0, 0, 1],
    "iand": [0, 1, 0, 0],
    "or": [0, 1, 1, 1],
    "none": [0, 0, 1, 1],
}


def block(shortcut: str, *, stride: int = 1, **parts: Any) -> Block:
    torch.manual_seed(3)
    downsampling = "spiking" if shortcut in ("and", "iand", "or") else "real"
    config = replace(NETWORK, **({"time_steps": 3, "shortcut": shortcut, "downsampling": downsampling} | parts))
    return Block(config, 4, 4 * stride, stride=stride).double()


@pytest.mark.parametrize("name", BY_HAND)
def test_truth_table(name: str) -> None:
    spikes, skip = (torch.tensor(values) for values in zip(*PAIRS, strict=True))

    def second(between: Tensor, added: Tensor | None = None) -> Tensor:
        return spikes if added is None else spikes + added

    assert SHORTCUTS[name].join(second, spikes, skip).tolist() == BY_HAND[name]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ["and", "iand", "or", "vanilla"])
def test_spikes_in_spikes_out(passes: str, name: str, stride: int) -> None:
    spikes = (drawn(3, 2, 4, 8, 8) > 0).double()
    output = block(name, stride=stride)(spikes)
    assert output.unique().tolist() == [0, 1]
    assert output.shape == (3, 2, 4 * stride, 8 // stride, 8 // stride)


def test_vanilla_fires_after_the_sum(passes: str) -> None:
    made, spikes = block("vanilla", stride=2), (drawn(3, 2, 4, 8, 8) > 0).double()
    summed = made.second(made.first(spikes)) + made.skip(spikes)
    assert torch.equal(made(spikes), stepped(summed, NETWORK.leak))
    assert not torch.equal(summed, summed.round())


def test_membrane_adds_membranes_and_convolves_spikes(passes: str) -> None:
    """No neuron is on the way of the skip."""
    made, membranes = block("membrane"), drawn(3, 2, 4, 8, 8)
    seen: list[Tensor] = []
    for layer in (made.first, made.second):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    output = made(membranes)
    assert torch.equal(seen[0], stepped(membranes, NETWORK.leak))
    assert all(values.unique().tolist() == [0, 1] for values in seen)
    torch.testing.assert_close(output - membranes, made.second(seen[1]), rtol=1e-12, atol=1e-12)


def test_none_is_the_two_layers(passes: str) -> None:
    made, values = block("none", stride=2), drawn(3, 2, 4, 8, 8)
    assert torch.equal(made(values), made.second(made.first(values)))
    assert not any(name.startswith("skip") for name, _ in made.named_parameters())


@pytest.mark.parametrize("downsampling", ["real", "spiking"])
def test_downsampling(passes: str, downsampling: str) -> None:
    made, values = block("spike-add", stride=2, downsampling=downsampling), drawn(3, 2, 4, 8, 8)
    assert isinstance(made.skip, SpikingLayer if downsampling == "spiking" else Downsampling)
    skip = made.skip(values)
    assert torch.equal(skip, skip.round()) == (downsampling == "spiking")
    assert torch.equal(made(values), made.second(made.first(values)) + skip)


def test_neurons_alone_have_the_gradient_of_the_steps(passes: str) -> None:
    currents = drawn(3, 2, 4, 5, 5).requires_grad_()
    outer = drawn(3, 2, 4, 5, 5).flip(0)
    fire = Firing(replace(NETWORK, time_steps=3), 4)
    (found,) = torch.autograd.grad((fire(currents) * outer).sum(), currents)
    (expected,) = torch.autograd.grad((stepped(currents, NETWORK.leak) * outer).sum(), currents)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
