"""Losses, by name. Shapes: T time steps, B samples, K classes."""

from collections.abc import Callable

from torch import Generator, Tensor
from torch.nn import functional

from models.neuron import THRESHOLD
from models.sresnet import SResNet
from pipeline.protocol.config import TrainingConfig


def cross_entropy(
    model: SResNet, values: Tensor, labels: Tensor, generator: Generator, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Logits (B, K), and the cross-entropy summed over the samples. Source: the authors' train.py."""
    logits = model(values, generator=generator)
    return logits, functional.cross_entropy(logits, labels, reduction="sum", label_smoothing=training.label_smoothing)


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
    every, targets = currents.flatten(0, 1), labels.repeat(steps)
    each = functional.cross_entropy(every, targets, reduction="sum", label_smoothing=training.label_smoothing) / steps
    distance = (currents - THRESHOLD).square().mean((0, 2)).sum()
    return currents.mean(0), (1.0 - training.tet_lambda) * each + training.tet_lambda * distance


Loss = Callable[[SResNet, Tensor, Tensor, Generator, TrainingConfig], tuple[Tensor, Tensor]]
LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "tet": tet}
