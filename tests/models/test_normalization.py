"""Each normalization equals torch's batch norm over its documented samples, pixels and time steps."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.neuron import THRESHOLD
from models.normalization import (
    EPSILON,
    NORMALIZATIONS,
    Bn,
    Bntt,
    BnttWithoutBiases,
    TdBn,
    TeBn,
    Unnormalized,
    share_of_batch,
)
from models.residual import Block, Downsampling, each_step
from tests.models.small import drawn, normalized
from tests.train.tiny import NETWORK

STEPS, CHANNELS = 3, 4
SHAPE = (STEPS, 5, CHANNELS, 6, 6)
ORIGINAL = ("bntt", "bn", "tdbn")
"""Those with a gain and a bias a set."""


class ByTorch(nn.Module):
    """One BatchNorm2d a time step, or one for all, on (T, B, C, H, W)."""

    def __init__(self, ours: Bntt | Bn, scale: float = 1.0) -> None:
        super().__init__()
        self.each = nn.ModuleList(
            nn.BatchNorm2d(CHANNELS, eps=1e-4, momentum=0.1).double() for _ in range(len(ours.gain))
        )
        for norm, gain, bias in zip(self.each, ours.gain, ours.bias, strict=True):
            norm.weight.data.copy_(gain * scale)
            norm.bias.data.copy_(bias)

    def forward(self, currents: Tensor) -> Tensor:
        if len(self.each) == 1:
            return self.each[0](currents.flatten(0, 1)).view_as(currents)
        return torch.stack([norm(currents[t]) for t, norm in enumerate(self.each)])

    def stacked(self, of: Callable[[nn.BatchNorm2d], Tensor]) -> Tensor:
        return torch.stack([of(norm) for norm in self.each])


def ours(name: str) -> Bntt | Bn:
    """A normalization with gains and biases that differ from set to set and channel to channel."""
    made = NORMALIZATIONS[name](CHANNELS, STEPS).double()
    with torch.no_grad():
        made.gain.copy_(1.5 + drawn(*made.gain.shape))
        made.bias.copy_(drawn(*made.bias.shape).flip(1))
    return made


def batches() -> list[Tensor]:
    """Three batches whose steps have different means and spreads."""
    steps = torch.arange(1.0, STEPS + 1).view(-1, 1, 1, 1, 1)
    return [steps * part + steps for part in drawn(3, *SHAPE)]


@pytest.mark.parametrize("name", ORIGINAL)
def test_values_gradients_and_statistics(passes: str, name: str) -> None:
    mine = ours(name)
    theirs = ByTorch(mine)
    outer = drawn(*SHAPE).flip(1)
    for batch in batches():
        inputs = [batch.clone().requires_grad_() for _ in range(2)]
        outputs = [normalized(mine, inputs[0]), theirs(inputs[1])]
        for output in outputs:
            (output * outer).sum().backward()
        torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-10, atol=1e-10)
    for value, of in (
        (mine.gain.grad, lambda norm: norm.weight.grad),
        (mine.bias.grad, lambda norm: norm.bias.grad),
        (mine.running_mean, lambda norm: norm.running_mean),
        (mine.running_var, lambda norm: norm.running_var),
    ):
        torch.testing.assert_close(value, theirs.stacked(of), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ORIGINAL)
def test_evaluation_uses_the_running_statistics_and_leaves_them(passes: str, name: str) -> None:
    mine = ours(name)
    theirs = ByTorch(mine)
    for batch in batches():
        normalized(mine, batch), theirs(batch)
    mine.eval(), theirs.eval()
    kept = mine.running_mean.clone(), mine.running_var.clone()
    probe = 5 * drawn(*SHAPE)
    torch.testing.assert_close(normalized(mine, probe), theirs(probe), rtol=1e-10, atol=1e-10)
    assert torch.equal(mine.running_mean, kept[0])
    assert torch.equal(mine.running_var, kept[1])


def test_constants_of_the_authors(passes: str) -> None:
    """A constant input has variance 0, so epsilon alone is under the root; the mean moves by a tenth."""
    norm = Bn(1, 1).double()
    normalized(norm, torch.full((1, 1, 1, 2, 2), 3.0, dtype=torch.float64))
    assert norm.running_mean.item() == pytest.approx(0.3)
    assert norm.running_var.item() == pytest.approx(0.9)
    norm.running_var.zero_()
    norm.running_mean.zero_()
    value = normalized(norm.eval(), torch.full((1, 1, 1, 1, 1), 0.02, dtype=torch.float64))
    assert value.item() == pytest.approx(2.0)  # 0.02 / sqrt(1e-4)


@pytest.mark.parametrize(("name", "sets"), [("bntt", STEPS), ("bn", 1), ("tdbn", 1)])
def test_gain_and_bias_are_trained(name: str, sets: int) -> None:
    trained = {key: tuple(value.shape) for key, value in ours(name).named_parameters()}
    assert trained == {"gain": (sets, CHANNELS), "bias": (sets, CHANNELS)}


def test_tdbn_scales_by_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold is 1 everywhere; another one shows where it enters: at the gain, not at the bias."""
    assert [NORMALIZATIONS[name].scale for name in ("bntt", "bn", "tdbn")] == [1.0, 1.0, THRESHOLD]
    monkeypatch.setattr(TdBn, "scale", 0.5)
    layer = Downsampling(replace(NETWORK, normalization="tdbn", time_steps=STEPS), CHANNELS, CHANNELS).double()
    layer.norm = ours("tdbn")
    batch = batches()[0]
    torch.testing.assert_close(
        layer(batch), ByTorch(layer.norm, scale=0.5)(each_step(layer.conv, batch)), rtol=1e-10, atol=1e-10
    )


def test_tdbn_scales_branches_that_are_added_before_the_neurons() -> None:
    """Zheng et al. 2021: both by 1/sqrt(2), so that their sum has the variance of one; no other layer, no other sum."""
    config = replace(NETWORK, normalization="tdbn", time_steps=STEPS)
    vanilla = Block(replace(config, shortcut="vanilla"), CHANNELS, CHANNELS, stride=2)
    scales = [layer.norm.scale for layer in (vanilla.first, vanilla.second, vanilla.skip)]
    assert scales == [1.0, pytest.approx(0.5**0.5), pytest.approx(0.5**0.5)]
    without = Block(replace(config, shortcut="vanilla"), CHANNELS, CHANNELS, stride=1)
    assert (without.second.norm.scale, type(without.skip)) == (pytest.approx(0.5**0.5), torch.nn.Identity)
    added = Block(config, CHANNELS, CHANNELS, stride=2)
    assert [layer.norm.scale for layer in (added.first, added.second, added.skip)] == [1.0, 1.0, 1.0]
    by_bn = Block(replace(config, shortcut="vanilla", normalization="bn"), CHANNELS, CHANNELS, stride=2)
    assert by_bn.second.norm.scale == 1.0


@pytest.mark.parametrize("name", ORIGINAL)
def test_one_stored_step_has_the_statistics_of_its_repetition(passes: str, name: str) -> None:
    once, repeated = ours(name), ours(name)
    image = drawn(1, *SHAPE[1:])
    outputs = [
        normalized(once, image, steps=STEPS),
        normalized(repeated, image.repeat(STEPS, 1, 1, 1, 1)),
    ]
    torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)
    for key, value in repeated.state_dict().items():
        torch.testing.assert_close(once.state_dict()[key], value, rtol=1e-12, atol=1e-12, msg=key)


def test_a_batch_that_is_computed_again_is_counted_once(passes: str) -> None:
    once, again = ours("bntt"), ours("bntt")
    first = normalized(once, batches()[0])
    normalized(again, batches()[0])
    with share_of_batch(0):
        second = normalized(again, batches()[0])
    assert torch.equal(first, second)
    assert torch.equal(once.running_mean, again.running_mean)
    assert torch.equal(once.running_var, again.running_var)
    normalized(again, batches()[0])
    assert not torch.equal(once.running_mean, again.running_mean)


@pytest.mark.parametrize("shape", [(1, 1, 4, 1, 1), (3, 1, 4, 1, 1), (3, 0, 4, 6, 6), (1, 0, 4, 6, 6), (3, 5, 4, 0, 6)])
@pytest.mark.parametrize("name", ORIGINAL)
def test_a_batch_without_a_variance_is_refused(passes: str, name: str, shape: tuple[int, ...]) -> None:
    mine = ours(name)
    kept = {key: value.clone() for key, value in mine.state_dict().items()}
    with pytest.raises(ValueError, match=rf"a batch of shape \({', '.join(map(str, shape))}\) has no variance"):
        normalized(mine, torch.zeros(shape, dtype=torch.float64), steps=STEPS)
    assert all(torch.equal(value, kept[key]) for key, value in mine.state_dict().items())


def test_bntt_without_biases_is_bntt_with_biases_of_zero(passes: str) -> None:
    """Values, gradients and statistics; and there is nothing to train but the gains."""
    with_biases, without = ours("bntt"), BnttWithoutBiases(CHANNELS, STEPS).double()
    with torch.no_grad():
        without.gain.copy_(with_biases.gain)
        with_biases.bias.zero_()
    assert [name for name, _ in without.named_parameters()] == ["gain"]
    inputs = [batches()[0].requires_grad_() for _ in range(2)]
    outputs = [normalized(norm, given) for norm, given in zip((with_biases, without), inputs, strict=True)]
    for output in outputs:
        (output * drawn(*SHAPE).flip(1)).sum().backward()
    for one, other in (outputs, [given.grad for given in inputs], [with_biases.gain.grad, without.gain.grad]):
        assert torch.equal(one, other)
    assert torch.equal(with_biases.running_var, without.running_var)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stored", [STEPS, 1])
def test_tebn_is_bn_times_a_number_of_each_step(passes: str, stored: int, training: bool) -> None:
    """Values and every gradient, as autograd has them from torch's batch norm over samples, pixels and time."""
    mine, theirs = TeBn(CHANNELS, STEPS).double().train(training), ByTorch(ours("bn")).train(training)
    weights = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64).view(-1, 1)
    with torch.no_grad():
        for value, given in zip(
            (mine.gain, mine.bias, mine.weight_of_step), (*ours("bn").parameters(), weights), strict=True
        ):
            value.copy_(given)
    weights.requires_grad_()
    inputs = [batches()[0][:stored].clone().requires_grad_() for _ in range(2)]
    outputs = [
        normalized(mine, inputs[0], steps=STEPS),
        theirs(inputs[1].expand(STEPS, -1, -1, -1, -1)) * weights.view(-1, 1, 1, 1, 1),
    ]
    for output in outputs:
        (output * drawn(*SHAPE).flip(1)).sum().backward()
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
    norm = theirs.each[0]
    for one, other in (
        (inputs[0].grad, inputs[1].grad),
        (mine.gain.grad[0], norm.weight.grad),
        (mine.bias.grad[0], norm.bias.grad),
        (mine.weight_of_step.grad, weights.grad),
        (mine.running_mean[0], norm.running_mean),
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_tebn_by_hand(passes: str) -> None:
    """Two steps of one value each, 1 and 3: mean 2, variance 1, so -1 and 1 before the weights 2 and 5."""
    norm = TeBn(1, 2).double()
    norm.weight_of_step.data = torch.tensor([[2.0], [5.0]], dtype=torch.float64)
    currents = torch.tensor([1.0, 1.0, 3.0, 3.0], dtype=torch.float64).view(2, 2, 1, 1, 1)
    found = normalized(norm, currents).flatten() * (1.0 + EPSILON) ** 0.5
    torch.testing.assert_close(found, torch.tensor([-2.0, -2.0, 5.0, 5.0], dtype=torch.float64))


def test_none_leaves_the_currents_as_they_are(passes: str) -> None:
    """And their gradient; a batch without a variance is none of its business."""
    norm = Unnormalized(CHANNELS, STEPS)
    assert not norm.state_dict()
    currents = drawn(*SHAPE).requires_grad_()
    output, outer = normalized(norm, currents), drawn(*SHAPE).flip(1)
    assert torch.equal(output, currents)
    assert torch.equal(torch.autograd.grad((output * outer).sum(), currents)[0], outer)
    assert normalized(norm, torch.zeros(1, 1, CHANNELS, 1, 1), steps=STEPS).shape == (STEPS, 1, CHANNELS, 1, 1)
