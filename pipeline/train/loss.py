"""Losses, by name. Shapes: T time steps, B samples, K classes."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

from models.neuron import THRESHOLD
from models.sresnet import SResNet
from pipeline.protocol.config import TrainingConfig


def cross_entropy(
    model: SResNet, values: Tensor, labels: Tensor, generator: Generator, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Logits (B, K), and the cross-entropy summed over the samples. Source: the authors' train.py."""
    if not training.distillation:
        logits = model(values, generator=generator)
        return logits, _cross_entropy(logits, labels, training)
    currents = model.currents(values, generator=generator)
    logits = currents.mean(0)
    return logits, _cross_entropy(logits, labels, training) + training.distillation * self_distillation(currents)


def tet(
    model: SResNet, values: Tensor, labels: Tensor, generator: Generator, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Mean over time of the currents (B, K) as logits, and (1 - lambda) L + lambda R summed over the samples.

    L is the mean over time of the cross-entropy of each step's currents, R the mean square of their distance from the
    threshold. Deng et al., "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting" (ICLR
    2022), equations 10 to 12.
    """
    currents = model.currents(values, generator=generator)
    steps = len(currents)
    each = _cross_entropy(currents.flatten(0, 1), labels.repeat(steps), training) / steps
    distance = (currents - THRESHOLD).square().mean((0, 2)).sum()
    loss = (1.0 - training.tet_lambda) * each + training.tet_lambda * distance
    if training.distillation:
        loss = loss + training.distillation * self_distillation(currents)
    return currents.mean(0), loss


def self_distillation(currents: Tensor) -> Tensor:
    """KL(teacher || student) between two time steps of each sample, summed over the samples, of currents (T, B, K).

    Each step is a classifier with the softmax of its currents as probabilities. The teacher is the step whose largest
    probability is the largest, and gets no gradient; the student is the step where it is the smallest. The first step
    counts if several are equal. After Ding et al., "Synergy Between the Strong and the Weak: Spiking Neural Networks
    are Inherently Self-Distillers" (NeurIPS 2025), which has several forms of it. This one has one teacher and one
    student, and a temperature of 1; the choice among the forms is ours.
    """
    logs = currents.log_softmax(-1)
    sure = logs.detach().amax(-1)
    # Sums over masks, because the gradient of an index is not computed in a fixed order on a GPU.
    step = torch.arange(len(logs), device=logs.device)[:, None]
    teacher, student = ((logs * (step == chosen)[..., None]).sum(0) for chosen in (sure.argmax(0), sure.argmin(0)))
    return functional.kl_div(student, teacher.detach(), reduction="sum", log_target=True)


def _cross_entropy(logits: Tensor, labels: Tensor, training: TrainingConfig) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="sum", label_smoothing=training.label_smoothing)


Loss = Callable[[SResNet, Tensor, Tensor, Generator, TrainingConfig], tuple[Tensor, Tensor]]
LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "tet": tet}
