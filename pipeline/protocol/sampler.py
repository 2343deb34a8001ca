"""Selects the samples of each batch, as a function of (seed, epoch, sample index), independent of the workers."""

from math import cos, pi

import numpy as np

from pipeline.data.counter import counter_hash
from pipeline.protocol.config import TrainingConfig

SHUFFLE_STREAM = 1
VALIDATION_STREAM = 2
ENCODING_STREAM = 3


def hold_out(labels: np.ndarray, percent: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (training, validation), each ascending; `percent` of each class, rounded down, is validation.

    The choice depends on the indices only, so every seed and every configuration validates on the same samples.
    """
    rank = counter_hash(0, 0, np.arange(len(labels)), VALIDATION_STREAM)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held[members[np.argsort(rank[members], kind="stable")][: len(members) * percent // 100]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def epoch_batches(samples: np.ndarray, training: TrainingConfig, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one epoch: each sample once, shuffled per epoch; with drop_last, without a smaller last batch."""
    order = samples[np.argsort(counter_hash(seed, epoch, samples, SHUFFLE_STREAM), kind="stable")]
    batches = [order[start : start + training.batch_size] for start in range(0, len(order), training.batch_size)]
    if training.drop_last and len(batches[-1]) < training.batch_size:
        batches.pop()
    return batches


def micro_batches_of(batch: np.ndarray, micro_batches: int) -> list[np.ndarray]:
    """The batch split into contiguous parts whose sizes differ by at most one; some are empty for a small batch."""
    return np.array_split(batch, micro_batches)


def encoding_seed(seed: int, epoch: int, step: int, index: int) -> int:
    """Seed (63 bits) of the random encoding of one micro-batch in one step."""
    return int(counter_hash(seed, epoch, np.array([step * 65536 + index]), ENCODING_STREAM)[0] >> 1)


def learning_rate(training: TrainingConfig, epoch: int) -> float:
    """Learning rate in a 0-based epoch.

    In epoch e of w warm-up epochs it is (e + 1) / (w + 1) of the initial one (Goyal et al., "Accurate, Large Minibatch
    SGD" (2017), by epoch instead of by step).
    """
    warm, decay = training.warmup_epochs, {"steps": _by_steps, "cosine": _by_cosine}[training.schedule]
    if epoch < warm:
        return training.learning_rate * (epoch + 1) / (warm + 1)
    return decay(training, epoch)


def _by_steps(training: TrainingConfig, epoch: int) -> float:
    """Divided by 10 for each percentage in decay_after that is past.

    With 70 epochs, the first decay comes after epoch 49, as in the authors' train.py. Their comparison of floats is
    never true for most numbers of epochs; ours compares integers.
    """
    decays = sum(epoch > training.epochs * percent // 100 for percent in training.decay_after)
    return training.learning_rate / 10**decays


def _by_cosine(training: TrainingConfig, epoch: int) -> float:
    """Half a cosine from the initial rate, in the first epoch after the warm-up, to 0, after the last epoch.

    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5 without restarts.
    """
    past = (epoch - training.warmup_epochs) / (training.epochs - training.warmup_epochs)
    return training.learning_rate * (1 + cos(pi * past)) / 2
