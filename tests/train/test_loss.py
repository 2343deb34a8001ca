"""Losses by hand."""

from dataclasses import replace
from math import exp, log

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from pipeline.train.loss import LOSSES, self_distillation
from tests.models.small import small_network
from tests.train.tiny import TRAINING


class Told:
    """A network that gives what it is told: currents (T, B, K)."""

    def __init__(self, currents: Tensor) -> None:
        self.given = currents

    def currents(self, values: Tensor, *, generator: torch.Generator) -> Tensor:
        return self.given

    def __call__(self, values: Tensor, *, generator: torch.Generator) -> Tensor:
        return self.given.mean(0)


def test_tet_by_hand() -> None:
    """Two steps, one sample, two classes, the first is right: currents (1, 0), then (0, 2).

    Cross-entropies log(1 + e^-1) and log(1 + e^2); squares of the distance from 1: 0, 1, 1, 1, of mean 3/4.
    """
    model = Told(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]], dtype=torch.float64))
    training = replace(TRAINING, loss="tet", tet_lambda=0.25)
    logits, loss = LOSSES["tet"](model, torch.zeros(1), torch.tensor([0]), torch.Generator(), training)  # type: ignore[arg-type]
    assert logits.tolist() == [[0.5, 1.0]]
    each = (log(1 + exp(-1)) + log(1 + exp(2))) / 2
    assert loss.item() == pytest.approx(0.75 * each + 0.25 * 0.75, rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_label_smoothing_by_hand(loss: str) -> None:
    """One step, currents (1, 0), the first class is right: the label (1, 0) with a share of 0.2 becomes (0.9, 0.1)."""
    model = Told(torch.tensor([[[1.0, 0.0]]], dtype=torch.float64))
    training = replace(TRAINING, loss=loss, label_smoothing=0.2)
    _, found = LOSSES[loss](model, torch.zeros(1), torch.tensor([0]), torch.Generator(), training)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(0.9 * log(1 + exp(-1)) + 0.1 * log(1 + exp(1)), rel=1e-12)


def test_with_one_step_tet_is_the_cross_entropy() -> None:
    model = small_network(time_steps=1)
    values, labels = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    training = replace(TRAINING, loss="tet", tet_lambda=0.0)
    found = [LOSSES[name](model, values, labels, torch.Generator(), training) for name in ("tet", "cross-entropy")]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_self_distillation_by_hand(loss: str) -> None:
    """Three steps with probabilities of 2/3 and 1/3, 1/4 and 3/4, 1/2 and 1/2: the second teaches the third alone.

    KL is 1/4 log(1/2) + 3/4 log(3/2), and its gradient by the student's currents is student - teacher.
    """
    currents = torch.tensor([[[2.0, 1.0]], [[1.0, 3.0]], [[5.0, 5.0]]], dtype=torch.float64).log().requires_grad_()
    found = self_distillation(currents)
    assert found.item() == pytest.approx(log(1 / 2) / 4 + 3 * log(3 / 2) / 4, rel=1e-12)
    (gradient,) = torch.autograd.grad(found, currents)
    torch.testing.assert_close(gradient, torch.tensor([[[0.0, 0]], [[0, 0]], [[1 / 4, -1 / 4]]], dtype=torch.float64))
    about = (Told(currents), torch.zeros(1), torch.tensor([0]), torch.Generator())
    (logits, without), (same, with_it) = (
        LOSSES[loss](*about, replace(TRAINING, loss=loss, distillation=weight))  # type: ignore[arg-type]
        for weight in (0.0, 0.5)
    )
    assert torch.equal(logits, same)
    assert (with_it - without).item() == pytest.approx(found.item() / 2, rel=1e-9)


def test_steps_that_are_equally_sure_teach_nothing() -> None:
    """The first step is then both, so the loss and its gradient are 0. With one step, it is always so."""
    for currents in (torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.tensor([[[3.0, 0.0]]])):
        found = self_distillation(currents.requires_grad_())
        assert found.item() == 0
        assert not torch.autograd.grad(found, currents)[0].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_recorded_loss_gives_the_same_bits(loss: str) -> None:
    """The operations of one call, with their gradients, on the currents of another one: no operation depends on a value
    that Python reads, and none is read, as a CUDA graph needs."""
    training = replace(TRAINING, loss=loss, label_smoothing=0.1, distillation=0.5)

    def compute(currents: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        currents = currents.detach().requires_grad_()
        logits, found = LOSSES[loss](Told(currents), torch.zeros(1), labels, torch.Generator(), training)  # type: ignore[arg-type]
        return logits, found, torch.autograd.grad(found, currents)[0]

    given = [(torch.randn(4, 5, 3), torch.tensor([0, 2, 1, 1, 2]).roll(place)) for place in range(2)]
    recorded = make_fx(compute, tracing_mode="fake")(*given[0])
    assert "_local_scalar_dense" not in recorded.code
    for one, other in zip(recorded(*given[1]), compute(*given[1]), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("loss", "weight"), [("cross-entropy", 0.1), ("tet", -0.1), ("tet", 1.5)])
def test_lambda_out_of_range(loss: str, weight: float) -> None:
    with pytest.raises(ValueError, match="tet_lambda must "):
        replace(TRAINING, loss=loss, tet_lambda=weight)
