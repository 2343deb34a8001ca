"""Accuracy and loss of a network on samples that it is not trained on, computed by all workers together."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.inputs import on_device, prepare
from pipeline.protocol.reduce import Workers
from pipeline.protocol.sampler import encoding_seed

EVALUATION_EPOCH = 2**32 - 1
"""Used as epoch in the seed of a random encoding, so that it differs from training."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts per batch, each an array (batches,)."""

    samples: np.ndarray
    correct: np.ndarray
    loss_sum: np.ndarray

    def accuracy(self) -> float:
        """Percent of all samples."""
        return 100.0 * float(self.correct.sum()) / float(self.samples.sum())

    def loss(self) -> float:
        """Mean cross-entropy of all samples."""
        return float(self.loss_sum.sum()) / float(self.samples.sum())

    def authors_accuracy(self, batch_size: int) -> float | None:
        """Percent as in the authors' train.py: the mean over full batches, without a smaller last batch.

        None if there is no full batch.
        """
        full = self.samples == batch_size
        return 100.0 * float((self.correct[full] / self.samples[full]).mean()) if full.any() else None


@torch.no_grad()
def score(
    model: SResNet, store: Store, samples: np.ndarray, training: TrainingConfig, seed: int, workers: Workers
) -> Score:
    """Counts over `samples` in batches of twice the training's size (the authors' choice), in the given order."""
    model.eval()
    size = 2 * training.batch_size
    batches = [samples[start : start + size] for start in range(0, len(samples), size)]
    device = next(model.parameters()).device
    counts = torch.zeros(len(batches), 3, dtype=torch.float64, device=device)
    for index in range(workers.rank, len(batches), workers.size):
        counts[index] = _count(model, store, batches[index], training, encoding_seed(seed, EVALUATION_EPOCH, index, 0))
    # Each row is nonzero on one worker only, so the order of this sum does not matter.
    total = torch.stack(workers.gather(counts)).sum(0).cpu().numpy()
    return Score(samples=total[:, 0], correct=total[:, 1], loss_sum=total[:, 2])


def _count(
    model: SResNet, store: Store, batch: np.ndarray, training: TrainingConfig, generator_seed: int
) -> torch.Tensor:
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(generator_seed)
    logits = model(prepare(store.read(batch), store.scale, training, device), generator=generator)
    labels = on_device(store.labels[batch], device)
    correct = (logits.argmax(1) == labels).sum()
    loss = cross_entropy(logits, labels, reduction="sum")
    return torch.stack([loss.new_full((), len(batch), dtype=torch.float64), correct.double(), loss.double()])
