"""A block adds its spikes to its input. An image that is constant over time is convolved once."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.residual import Block, SpikingLayer, each_step
from tests.models.small import drawn
from tests.train.tiny import NETWORK

CONFIG = replace(NETWORK, time_steps=3)


def block(inputs: int, outputs: int, *, stride: int) -> Block:
    torch.manual_seed(3)
    return Block(CONFIG, inputs, outputs, stride=stride).double()


def is_whole(values: Tensor) -> bool:
    return torch.equal(values, values.round())


def test_values_accumulate_within_a_stage(passes: str) -> None:
    """Without a change of size the skip is the input itself, and the output is that plus 0 or 1."""
    spikes = (drawn(3, 2, 4, 8, 8) > 0).double()
    values = spikes
    for _ in range(4):
        added = block(4, 4, stride=1)(values) - values
        assert added.unique().tolist() == [0, 1]
        values = values + added
    assert values.max() > 2
    assert is_whole(values)


def test_the_skip_into_a_stage_has_no_neuron(passes: str) -> None:
    """Half the size, twice the channels; values are neither whole nor all positive."""
    start = block(4, 8, stride=2)
    values = drawn(3, 2, 4, 8, 8)
    output = start(values)
    assert output.shape == (3, 2, 8, 4, 4)
    assert not is_whole(output)
    assert output.min() < 0
    spikes = output - start.skip(values)
    torch.testing.assert_close(spikes, spikes.round(), rtol=0, atol=1e-12)
    assert spikes.round().unique().tolist() == [0, 1]


def test_the_second_layer_reads_the_spikes_of_the_first(passes: str) -> None:
    made = block(4, 8, stride=2)
    values = drawn(3, 2, 4, 8, 8)
    between = made.first(values)
    assert between.unique().tolist() == [0, 1]
    assert torch.equal(made(values), made.second(between) + made.skip(values))


@pytest.mark.parametrize(("stride", "skips"), [(1, []), (2, ["skip.conv.weight", "skip.norm.gain", "skip.norm.bias"])])
def test_only_a_change_of_size_has_a_skip_with_weights(stride: int, skips: list[str]) -> None:
    names = [name for name, _ in block(4, 8, stride=stride).named_parameters() if name.startswith("skip")]
    assert names == skips


def layer() -> SpikingLayer:
    torch.manual_seed(4)
    return SpikingLayer(CONFIG, 3, 4, stride=2).double()


def test_a_shown_image_is_convolved_once() -> None:
    """One stored step in, one step of currents out, from which the layer makes the spikes of all steps."""
    image, made = drawn(1, 2, 3, 8, 8), layer()
    once, full = each_step(made.conv, image), each_step(made.conv, image.repeat(3, 1, 1, 1, 1))
    assert once.shape == (1, 2, 4, 4, 4)
    torch.testing.assert_close(once.expand_as(full), full, rtol=1e-12, atol=1e-12)
    shown, given = made(image), layer()(image.repeat(3, 1, 1, 1, 1))
    assert shown.shape == (3, 2, 4, 4, 4)
    assert torch.equal(shown, given)


def test_a_shown_image_has_the_gradient_of_all_steps(passes: str) -> None:
    image = drawn(1, 2, 3, 8, 8).requires_grad_()
    outer = drawn(3, 2, 4, 4, 4)
    made = layer()
    given = [image, *made.parameters()]
    once = torch.autograd.grad((made(image) * outer).sum(), given)
    full = torch.autograd.grad((made(image.repeat(3, 1, 1, 1, 1)) * outer).sum(), given)
    for one, other in zip(once, full, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    assert once[0].count_nonzero() > 0


def test_each_step_is_convolved_by_itself() -> None:
    frames, conv = drawn(5, 2, 3, 8, 8), layer().conv
    together = each_step(conv, frames)
    assert together.shape == (5, 2, 4, 4, 4)
    for t in range(5):
        torch.testing.assert_close(together[t], conv(frames[t]), rtol=1e-12, atol=1e-12)


def test_a_convolution_is_in_the_type_of_the_values() -> None:
    conv = layer().conv
    assert each_step(conv, drawn(2, 2, 3, 8, 8).bfloat16()).dtype == torch.bfloat16
    assert conv.weight.dtype == torch.float64
