"""A block adds its spikes to what came in; an image that is shown at every step is convolved once."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.residual import Block, each_step
from tests.models.small import drawn
from tests.train.tiny import NETWORK

CONFIG = replace(NETWORK, time_steps=3)


def block(inputs: int, outputs: int, *, stride: int) -> Block:
    torch.manual_seed(3)
    return Block(CONFIG, inputs, outputs, stride=stride).double()


def is_whole(values: Tensor) -> bool:
    return torch.equal(values, values.round())


def test_values_accumulate_within_a_stage() -> None:
    """Without a change of size the skip is the input itself, and the output is that plus 0 or 1."""
    spikes = (drawn(2, 3, 4, 8, 8) > 0).double()
    values = spikes
    for _ in range(4):
        added = block(4, 4, stride=1)(values) - values
        assert added.unique().tolist() == [0, 1]
        values = values + added
    assert values.max() > 2
    assert is_whole(values)


def test_the_skip_into_a_stage_has_no_neuron() -> None:
    """Half the size, twice the channels; values are neither whole nor all positive."""
    start = block(4, 8, stride=2)
    values = drawn(2, 3, 4, 8, 8)
    output = start(values)
    assert output.shape == (2, 3, 8, 4, 4)
    assert not is_whole(output)
    assert output.min() < 0
    spikes = output - start.skip(values)
    torch.testing.assert_close(spikes, spikes.round(), rtol=0, atol=1e-12)
    assert spikes.round().unique().tolist() == [0, 1]


def test_the_second_layer_reads_the_spikes_of_the_first() -> None:
    made = block(4, 8, stride=2)
    values = drawn(2, 3, 4, 8, 8)
    between = made.first(values)
    assert between.unique().tolist() == [0, 1]
    assert torch.equal(made(values), made.second(between) + made.skip(values))


@pytest.mark.parametrize(("stride", "skips"), [(1, []), (2, ["skip.conv.weight", "skip.norm.gain", "skip.norm.bias"])])
def test_only_a_change_of_size_has_a_skip_with_weights(stride: int, skips: list[str]) -> None:
    names = [name for name, _ in block(4, 8, stride=stride).named_parameters() if name.startswith("skip")]
    assert names == skips


def convolved(values: Tensor) -> tuple[Tensor, int]:
    """The convolution of each step, and how many images it was computed for."""
    torch.manual_seed(4)
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False).double()
    images = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal images
        images += len(output)

    conv.register_forward_hook(count)
    return each_step(conv, values), images


def test_a_shown_image_is_convolved_once() -> None:
    shown = drawn(2, 1, 3, 8, 8).expand(-1, 5, -1, -1, -1)
    once, images = convolved(shown)
    full, all_images = convolved(shown.contiguous())
    assert (images, all_images) == (2, 10)
    assert once.shape == full.shape == (2, 5, 4, 4, 4)
    torch.testing.assert_close(once, full, rtol=1e-12, atol=1e-12)


def test_a_shown_image_has_the_gradient_of_all_steps() -> None:
    image = drawn(2, 1, 3, 8, 8).requires_grad_()
    outer = drawn(2, 5, 4, 4, 4)
    (once,) = torch.autograd.grad((convolved(image.expand(-1, 5, -1, -1, -1))[0] * outer).sum(), image)
    (full,) = torch.autograd.grad((convolved(image.repeat(1, 5, 1, 1, 1))[0] * outer).sum(), image)
    torch.testing.assert_close(once, full, rtol=1e-12, atol=1e-12)


def test_each_step_is_convolved_by_itself() -> None:
    frames = drawn(2, 5, 3, 8, 8)
    together, images = convolved(frames)
    assert images == 10
    for t in range(5):
        torch.testing.assert_close(together[:, t], convolved(frames[:, t : t + 1])[0][:, 0], rtol=1e-12, atol=1e-12)
