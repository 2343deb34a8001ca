"""One optimizer step, identical bit for bit on any number of workers.

A batch is split into micro-batches. Batch statistics, augmentation and random numbers are per micro-batch; gradients
and running statistics are summed over micro-batches in a fixed order (reduce.py). A worker computes one or more.
Shapes: B samples of a micro-batch, D numbers that a micro-batch contributes.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pipeline.ground.errors import InputError
from pipeline.protocol.augment import augmented
from pipeline.protocol.inputs import standardized, to_device
from pipeline.protocol.reduce import micro_batches_of_worker, sum_over_micro_batches
from pipeline.protocol.sampler import encoding_seed, micro_batches_of
from pipeline.train.average import update_average
from pipeline.train.loss import LOSSES
from pipeline.train.training import Training
from pipeline.train.used import extend


def step(training: Training, batch: np.ndarray, halt: Callable[[], bool] = lambda: False) -> bool:
    """One optimizer step over all micro-batches of a batch (indices of samples).

    Returns on all workers whether `halt` was true on one of them that has a micro-batch. Their answers travel with the
    sum of the gradients, so asking costs no exchange of its own.
    """
    job, state = training.job, training.state
    parts = micro_batches_of(batch, job.training.micro_batches)
    assert np.array_equal(np.concatenate(parts), batch), "the micro-batches lose or double a sample of the batch"
    buffers = [buffer.clone() for buffer in training.buffers]
    mine = [(index, parts[index]) for index in micro_batches_of_worker(training.workers, job.training.micro_batches)]
    own = [contribution(training, part, index, len(batch), buffers) for index, part in mine or [(0, batch[:0])]]
    if asked := halt():
        own[0][-1] = 1
    total = sum_over_micro_batches(own, training.workers, job.training.micro_batches)
    apply_sum(training, total)
    state.steps += 1
    if training.averages:
        weights = [*training.parameters, *training.buffers]
        update_average(training.averages, weights, job.training.average_decay, state.steps)
    state.used = extend(state.used, (training.store.ids[index] for index in batch))
    state.step, state.seen = state.step + 1, state.seen + len(batch)
    return asked if training.workers.size == 1 else bool(total[-1] > 0)  # reading it waits for the device


def contribution(training: Training, part: np.ndarray, index: int, batch_size: int, buffers: list[Tensor]) -> Tensor:
    """What one micro-batch adds to the step, (D,): gradients, running statistics, sum of losses, correct samples, 0."""
    for buffer, start in zip(training.buffers, buffers, strict=True):
        buffer.copy_(start)
    if not len(part):
        return torch.zeros(sum(training.sizes), device=training.device)
    values, labels = load_micro_batch(training, part)
    generator = torch.Generator(training.device)
    generator.manual_seed(encoding_seed(training.job.seed, training.state.epoch, training.state.step, index))

    def compute(values: Tensor, labels: Tensor) -> Tensor:
        return gradients_and_statistics(training, values, labels, batch_size, generator)

    if training.replay is None:
        return compute(values, labels)
    return training.replay((len(values), batch_size), compute, values, labels)


def load_micro_batch(training: Training, part: np.ndarray) -> tuple[Tensor, Tensor]:
    """Network input (B, ...) and labels (B,) of one micro-batch."""
    job = training.job
    pixels, labels = training.data.read(part)
    pixels = augmented(pixels, job.training, job.seed, training.state.epoch, part)
    return standardized(to_device(pixels, training.device), training.store.scale, job.training), labels


def gradients_and_statistics(
    training: Training, values: Tensor, labels: Tensor, batch_size: int, generator: torch.Generator
) -> Tensor:
    """The contribution of these samples to the step, (D,), starting from the buffers before the step.

    The loss is divided by the size of the whole batch, and the statistics are weighted by the micro-batch's share of
    it, so that the sum over micro-batches is the mean over the batch.
    """
    training.model.train()
    config = training.job.training
    logits, loss = LOSSES[config.loss](training.model, values, labels, generator, config)
    gradients = torch.autograd.grad(loss / batch_size, training.parameters)
    statistics = [buffer * (len(values) / batch_size) for buffer in training.buffers]
    correct = (logits.argmax(1) == labels).sum()
    metrics = torch.stack([loss.detach(), correct.to(loss.dtype), torch.zeros_like(loss)])
    return torch.cat([value.reshape(-1) for value in [*gradients, *statistics, metrics]])


def apply_sum(training: Training, total: Tensor) -> None:
    """Optimizes with the sum over micro-batches (D,); on a GPU by a recording."""
    if not training.state.steps or training.updates is None:
        update(training, total)
        return
    rate = training.optimizer.param_groups[0]["lr"]
    if rate not in training.updates.recordings:
        training.updates.recordings.clear()  # the rate is a constant of a recording, and changes between epochs only
    training.updates(rate, partial(update, training), total)


def update(training: Training, total: Tensor) -> Tensor:
    """Copies the sum into gradients and buffers, and does the optimizer's step; returns the epoch's totals with it."""
    *pieces, metrics = total.split(training.sizes)
    count = len(training.parameters)
    for parameter, gradient in zip(training.parameters, pieces[:count], strict=True):
        parameter.grad = gradient.view_as(parameter)
    for buffer, value in zip(training.buffers, pieces[count:], strict=True):
        buffer.copy_(value.view_as(buffer))
    training.totals[:2].add_(metrics[:2])
    training.totals[2].add_(training.totals[0].isfinite())
    training.optimizer.step()
    return training.totals


def read_totals(training: Training) -> None:
    """Copies the epoch's sums from the device into the state, after all steps that are queued there.

    Raises InputError if a loss was not finite.
    """
    state = training.state
    loss_sum, correct, finite = training.totals.tolist()
    if not np.isfinite(loss_sum):
        several = np.isnan(loss_sum) and training.workers.size > 1
        lost = "; or numbers of another worker did not arrive: run it again to see" if several else ""
        raise InputError(
            f"the loss is {loss_sum} at epoch {state.epoch + 1}, step {int(finite) + 1}; "
            f"a lower training.learning_rate may help{lost}"
        )
    state.loss_sum, state.correct = loss_sum, int(correct)
