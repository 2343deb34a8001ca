"""Each normalization is torch's batch norm over the samples, pixels and time steps that it says."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from models import normalization
from models.normalization import NORMALIZATIONS, Bn, Bntt, TdBn
from tests.models.small import drawn

STEPS, CHANNELS = 3, 4
SHAPE = (5, STEPS, CHANNELS, 6, 6)


class ByTorch(nn.Module):
    """One BatchNorm2d a time step, or one for all, on (B, T, C, H, W)."""

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
        return torch.stack([norm(currents[:, t]) for t, norm in enumerate(self.each)], 1)

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
    steps = torch.arange(1.0, STEPS + 1).view(1, -1, 1, 1, 1)
    return [steps * part + steps for part in drawn(3, *SHAPE)]


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_values_gradients_and_statistics(name: str) -> None:
    mine = ours(name)
    theirs = ByTorch(mine)
    outer = drawn(*SHAPE).flip(0)
    for batch in batches():
        inputs = [batch.clone().requires_grad_() for _ in range(2)]
        outputs = [mine(inputs[0]), theirs(inputs[1])]
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


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_evaluation_uses_the_running_statistics_and_leaves_them(name: str) -> None:
    mine = ours(name)
    theirs = ByTorch(mine)
    for batch in batches():
        mine(batch), theirs(batch)
    mine.eval(), theirs.eval()
    kept = mine.running_mean.clone(), mine.running_var.clone()
    probe = 5 * drawn(*SHAPE)
    torch.testing.assert_close(mine(probe), theirs(probe), rtol=1e-10, atol=1e-10)
    assert torch.equal(mine.running_mean, kept[0])
    assert torch.equal(mine.running_var, kept[1])


def test_constants_of_the_authors() -> None:
    """A constant input has variance 0, so epsilon alone is under the root; the mean moves by a tenth."""
    norm = Bn(1, 1).double()
    norm(torch.full((1, 1, 1, 2, 2), 3.0, dtype=torch.float64))
    assert norm.running_mean.item() == pytest.approx(0.3)
    assert norm.running_var.item() == pytest.approx(0.9)
    norm.running_var.zero_()
    norm.running_mean.zero_()
    value = norm.eval()(torch.full((1, 1, 1, 1, 1), 0.02, dtype=torch.float64))
    assert value.item() == pytest.approx(2.0)  # 0.02 / sqrt(1e-4)


@pytest.mark.parametrize(("name", "sets"), [("bntt", STEPS), ("bn", 1), ("tdbn", 1)])
def test_gain_and_bias_are_trained(name: str, sets: int) -> None:
    trained = {key: tuple(value.shape) for key, value in ours(name).named_parameters()}
    assert trained == {"gain": (sets, CHANNELS), "bias": (sets, CHANNELS)}


def test_tdbn_scales_by_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold is 1 everywhere; another one shows where it enters: at the gain, not at the bias."""
    mine = ours("tdbn")
    assert isinstance(mine, TdBn)
    monkeypatch.setattr(normalization, "THRESHOLD", 0.5)
    batch = batches()[0]
    torch.testing.assert_close(mine(batch), ByTorch(mine, scale=0.5)(batch), rtol=1e-10, atol=1e-10)
