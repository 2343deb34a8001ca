"""One optimizer step, the same to the bit on any number of workers.

A batch is cut into logical shards. Batch statistics, augmentation and random numbers belong to a shard; gradients and
running statistics are sums over shards in one fixed order (reduce.py). A worker computes one or more shards.
Shapes: B samples of a shard, D numbers that a shard contributes.
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.data.augment import crop_flip
from pipeline.errors import InputError
from pipeline.train.inputs import prepare
from pipeline.train.loss import LOSSES
from pipeline.train.reduce import shards_of_worker, sum_over_shards
from pipeline.train.sampler import encoding_seed, logical_shards
from pipeline.train.training import Training


def step(training: Training, batch: np.ndarray) -> None:
    """One optimizer step over all logical shards of a batch (indices of samples)."""
    job, state = training.job, training.state
    parts = logical_shards(batch, job.training.shards)
    buffers = [buffer.clone() for buffer in training.buffers]
    own = [
        contribution(training, parts[shard], shard, len(batch), buffers)
        for shard in shards_of_worker(training.workers, job.training.shards)
    ]
    rows = torch.stack(own) if own else torch.zeros(0, sum(training.sizes), device=training.device)
    loss_sum, correct = take_over(training, sum_over_shards(rows, training.workers, job.training.shards))
    if not np.isfinite(loss_sum):
        raise InputError(
            f"{job.name}: the loss is {loss_sum} at epoch {state.epoch + 1}, step {state.step + 1}; "
            "a lower training.learning_rate may help"
        )
    training.optimizer.step()
    state.step, state.seen = state.step + 1, state.seen + len(batch)
    state.loss_sum, state.correct = state.loss_sum + loss_sum, state.correct + int(correct)


def contribution(training: Training, part: np.ndarray, shard: int, batch_size: int, buffers: list[Tensor]) -> Tensor:
    """What one logical shard adds to the step, (D,): gradients, running statistics, sum of losses, correct samples.

    The loss is divided by the size of the whole batch, and the statistics weighted by the shard's part of it, so that
    the sum over shards is the mean over the batch.
    """
    for buffer, start in zip(training.buffers, buffers, strict=True):
        buffer.copy_(start)
    if not len(part):
        return torch.zeros(sum(training.sizes), device=training.device)
    logits, labels, loss = forward(training, part, shard)
    gradients = torch.autograd.grad(loss / batch_size, training.parameters)
    statistics = [buffer * (len(part) / batch_size) for buffer in training.buffers]
    correct = (logits.argmax(1) == labels).sum()
    metrics = torch.stack([loss.detach(), correct.to(loss.dtype)])
    return torch.cat([value.reshape(-1) for value in [*gradients, *statistics, metrics]])


def forward(training: Training, part: np.ndarray, shard: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, classes), labels (B,) and the sum of the losses of one logical shard."""
    job, state, store = training.job, training.state, training.store
    pixels = store.read(part)
    if job.training.augmentation == "crop-flip":
        pixels = crop_flip(pixels, job.seed, state.epoch, part)
    values = prepare(pixels, store.scale, job.training, training.device)
    generator = torch.Generator(training.device)
    generator.manual_seed(encoding_seed(job.seed, state.epoch, state.step, shard))
    training.model.train()
    labels = torch.from_numpy(store.labels[part]).to(training.device)
    logits, loss = LOSSES[job.training.loss](training.model, values, labels, generator, job.training)
    return logits, labels, loss


def take_over(training: Training, total: Tensor) -> tuple[float, float]:
    """Puts the sum over shards into the network's gradients and buffers; gives sum of losses and correct samples."""
    *pieces, metrics = total.split(training.sizes)
    count = len(training.parameters)
    for parameter, gradient in zip(training.parameters, pieces[:count], strict=True):
        parameter.grad = gradient.view_as(parameter)
    for buffer, value in zip(training.buffers, pieces[count:], strict=True):
        buffer.copy_(value.view_as(buffer))
    loss_sum, correct = metrics.tolist()
    return loss_sum, correct
