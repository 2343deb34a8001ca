"""The whole network: depth, shapes, description and initial weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.kernels import cpu
from models.kernels.choice import implementation
from models.kernels.operation import flat
from models.residual import Layer
from models.sresnet import SResNet
from tests.models.small import PASSES, drawn, small_inputs, small_network


def currents(model: SResNet, inputs: Tensor) -> Tensor:
    """Of the output neurons at each time step, (T, B, K)."""
    return model.readout(model.before_readout(inputs, None).mean((3, 4)))


@pytest.mark.parametrize("parts", [{}, {"shortcut": "membrane"}, {"blocks": 2, "frames": True}], ids=str)
def test_features_are_what_the_readout_reads(parts: dict[str, Any]) -> None:
    """The stages' outputs halve in size and double in channels; the logits are the readout of the embedding."""
    model = small_network(**parts).eval()
    inputs = small_inputs(model)
    found = model.features(inputs)
    width, size = model.config.width, 4 if model.frames else 8
    assert [tuple(stage.shape) for stage in found.stages] == [
        (3, len(inputs), width << place, size >> place, size >> place) for place in range(3)
    ]
    torch.testing.assert_close(model.readout(found.embedding), model(inputs))
    found.embedding.sum().backward()
    assert all(block.first.conv.weight.grad is not None for block in model.blocks)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_depth(blocks: int) -> None:
    """6n + 2 weighted layers; the 1x1 convolutions of the skips are not counted."""
    model = small_network(blocks=blocks)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert len([conv for conv in convolutions if conv.kernel_size == (3, 3)]) + len(linear) == 6 * blocks + 2
    assert len([conv for conv in convolutions if conv.kernel_size == (1, 1)]) == 2
    assert all(conv.bias is None for conv in convolutions)


@pytest.mark.parametrize("frames", [False, True])
def test_sizes_halve_and_channels_double(frames: bool) -> None:
    """Images keep their size in the first layer; event frames come at twice the size and are halved there."""
    model = small_network(frames=frames, width=4, blocks=2)
    values = model.stem(torch.zeros(3, 2, *model.input_shape).double())
    shapes = [tuple(values.shape[2:])]
    for block in model.blocks:
        values = block(values)
        shapes.append(tuple(values.shape[2:]))
    size = 4 if frames else 8
    stages = [(4, size, size), (8, size // 2, size // 2), (16, size // 4, size // 4)]
    assert shapes == [stages[0], *[stage for stage in stages for _ in range(2)]]


def test_an_image_is_the_same_as_frames_that_repeat_it() -> None:
    """Direct encoding feeds the image at every step: the same currents as when it is given at each step."""
    model = small_network()
    images = small_inputs(model)
    shown = currents(model, images)
    model.frames = True
    given = currents(model, images.unsqueeze(1).repeat(1, 3, 1, 1, 1))
    torch.testing.assert_close(shown, given, rtol=1e-12, atol=1e-12)


def test_frames_come_in_order() -> None:
    model = small_network(frames=True)
    frames = small_inputs(model)
    turned = currents(model, frames.flip(1))
    assert not torch.allclose(turned, currents(model, frames))
    assert not torch.allclose(turned.flip(0), currents(model, frames))


@pytest.mark.parametrize(("leak", "same"), [(0.0, True), (0.8744, False)])
def test_without_memory_a_step_knows_nothing_of_the_others(passes: str, leak: float, same: bool) -> None:
    """In another order, frames give the same currents in that order: with one set of statistics for all steps."""
    model = small_network(frames=True, leak=leak, normalization="bn").eval()
    inputs, order = small_inputs(model) * 3, [2, 0, 1]
    with torch.no_grad():
        found, other = model.currents(inputs), model.currents(inputs[:, order])
    assert torch.equal(found[order], other) == same


@pytest.mark.parametrize("readout", ["mean-voltage", "boosting"])
def test_logits_are_the_mean_of_the_currents(readout: str) -> None:
    model = small_network(readout=readout, time_steps=5).eval()
    inputs = small_inputs(model)
    each = currents(model, inputs)
    assert each.shape == (5, 4, 3)
    torch.testing.assert_close(model(inputs), each.mean(0), rtol=1e-12, atol=1e-12)


def by_hand(model: SResNet, values: Tensor) -> dict[str, Tensor]:
    """Spikes of every layer of neurons, computed layer by layer."""
    spikes = {"stem": model.stem(values)}
    values = spikes["stem"]
    for index, block in enumerate(model.blocks):
        spikes[f"blocks.{index}.first"] = block.first(values)
        spikes[f"blocks.{index}.second"] = block.second(spikes[f"blocks.{index}.first"])
        values = spikes[f"blocks.{index}.second"] + block.skip(values)
    return spikes


@pytest.mark.parametrize("frames", [False, True])
def test_observed_spikes(frames: bool) -> None:
    model = small_network(frames=frames, width=4).eval()
    inputs = small_inputs(model)
    seen = model.observe(inputs)
    expected = by_hand(model, inputs.transpose(0, 1) if frames else inputs.unsqueeze(0))
    assert list(seen.spikes) == list(seen.neurons) == list(expected)
    assert sum(int(counts.sum()) for counts in seen.spikes.values()) > 100
    for name, spikes in expected.items():
        assert seen.spikes[name].dtype == torch.int64
        assert seen.spikes[name].tolist() == spikes.sum((1, 2, 3, 4)).tolist(), name
        assert seen.neurons[name] == spikes[0, 0].numel()


@pytest.mark.parametrize("frames", [False, True])
def test_observed_voltage_ends_at_the_logits(frames: bool) -> None:
    model = small_network(frames=frames).eval()
    inputs = small_inputs(model)
    voltage = model.observe(inputs).voltage
    assert voltage.shape == (4, 3, 3)
    torch.testing.assert_close(voltage[:, -1] / 3, model(inputs), rtol=1e-12, atol=1e-12)
    each = currents(model, inputs).transpose(0, 1)
    torch.testing.assert_close(voltage.diff(dim=1), each[:, 1:], rtol=1e-12, atol=1e-12)


def test_observing_leaves_nothing_behind() -> None:
    model = small_network().eval()
    inputs = small_inputs(model)
    before = model(inputs)
    assert not model.observe(inputs).voltage.requires_grad
    with pytest.raises(RuntimeError, match="channels"):
        model.observe(inputs[:, :1])
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(model(inputs), before)


def test_poisson_follows_from_the_generator() -> None:
    model = small_network(encoding="poisson").eval()
    inputs = small_inputs(model)
    first, again, other = (model(inputs, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    observed = model.observe(inputs, generator=torch.Generator().manual_seed(0)).voltage[:, -1] / 3
    torch.testing.assert_close(observed, first, rtol=1e-12, atol=1e-12)


def test_poisson_is_for_images() -> None:
    with pytest.raises(ValueError, match="encoding poisson is for images; event frames need encoding direct"):
        small_network(encoding="poisson", frames=True)


def test_initial_weights_are_drawn_with_gain_2() -> None:
    """Xavier uniform: within a = 2 sqrt(6 / (inputs + outputs)), standard deviation a / sqrt(3)."""
    model = small_network(width=32, classes=10)
    spreads = {
        "stem.conv": 0.159,
        "blocks.0.first.conv": 0.118,
        "blocks.1.second.conv": 0.083,
        "blocks.2.second.conv": 0.059,
        "readout.linear": 0.241,
    }
    for name, expected in spreads.items():
        weight = model.get_submodule(name).weight
        assert weight.std().item() == pytest.approx(expected, rel=0.05), name
        assert weight.abs().max() <= expected * 3**0.5 * 1.01


def test_initial_weights_follow_from_the_seed() -> None:
    one, same, other = small_network(), small_network(), small_network()
    other.reset_parameters(torch.Generator().manual_seed(5))
    assert torch.equal(one.stem.conv.weight, same.stem.conv.weight)
    assert not torch.equal(one.stem.conv.weight, other.stem.conv.weight)


@pytest.mark.parametrize("parts", [{"blocks": 0}, {"width": 0}, {"time_steps": 0}, {"leak": -0.1}, {"leak": 1.1}])
def test_sizes_that_make_no_network(parts: dict[str, float]) -> None:
    (name,) = parts
    with pytest.raises(ValueError, match=f"{name} must"):
        small_network(**parts)


def test_samples_do_not_disturb_each_other() -> None:
    """In evaluation a sample's logits do not depend on the others of its batch."""
    model = small_network()
    model.train()(drawn(4, *model.input_shape))
    inputs = small_inputs(model)
    together = model.eval()(inputs)
    torch.testing.assert_close(model(inputs[2:3]), together[2:3], rtol=1e-12, atol=1e-12)


def test_bfloat16_is_for_activations_alone(passes: str) -> None:
    """Features are bfloat16; weights, their gradients, statistics and logits are float32."""
    model = small_network(precision="bfloat16").float()
    inputs = small_inputs(model).float()
    assert model.before_readout(inputs, None).dtype == torch.bfloat16
    logits = model(inputs)
    logits.sum().backward()
    assert logits.dtype == torch.float32
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert {value.grad.dtype for value in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("frames", "batch"), [(False, 1), (False, 4), (True, 4)])
def test_every_implementation_gives_the_same_gradients(frames: bool, batch: int) -> None:
    found = []
    for name in PASSES:
        model = small_network(frames=frames)
        with implementation(name):
            model(small_inputs(model, batch)).square().sum().backward()
        found.append([value.grad for value in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("frames", [False, True])
def test_channels_of_a_pixel_lie_side_by_side(frames: bool) -> None:
    """In every layer's output, so that the next one's passes need no copy."""
    model = small_network(frames=frames)
    layouts = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        layouts.append(output.flatten(0, 1).is_contiguous(memory_format=torch.channels_last))
        assert flat(output).data_ptr() == output.data_ptr()

    for module in model.modules():
        if isinstance(module, Layer):
            module.register_forward_hook(note)
    model(small_inputs(model))
    assert layouts == [True] * 9  # 7 layers of neurons, 2 skips


def test_frames_of_another_number_than_time_steps_are_refused() -> None:
    model = small_network(frames=True)
    with pytest.raises(ValueError, match="2 frames per sample, but the network has 3 time steps"):
        model(small_inputs(model)[:, :2])


def test_blocks_are_computed_again_by_the_implementation_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backward runs where nothing was asked for: in a thread of its own on a GPU, after the block here."""
    model = small_network()
    model.recompute = "blocks"
    with implementation("reference"):
        loss = model(small_inputs(model)).square().sum()
    monkeypatch.setattr(cpu, "moments", lambda currents: pytest.fail("another implementation"))
    loss.backward()
    assert model.blocks[0].first.conv.weight.grad is not None
