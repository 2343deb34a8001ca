"""Statistics of the normalizations, computed anew over the training samples ("precise BN").

Wu & Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3: the weights stay as they are, each micro-batch is
normalized by its own statistics, and these are averaged. D is the number of all means and variances of a network.
"""

from functools import reduce

import numpy as np
import torch
from torch import Tensor

from models.hooks import layer_hooks
from models.kernels.operation import Statistics
from models.normalization import Normalization, share_of_batch
from models.sresnet import SResNet
from pipeline.protocol.reduce import micro_batches_of_worker, sum_over_micro_batches
from pipeline.protocol.sampler import encoding_seed, epoch_batches, micro_batches_of
from pipeline.train.step import load_micro_batch
from pipeline.train.training import Training


@torch.no_grad()
def recompute_statistics(training: Training, model: SResNet) -> None:
    """Replaces a network's running statistics by those over the batches of this epoch, augmented as in it.

    A mean is the mean of the micro-batches' means, weighted by their sizes; a variance is that of their variances by n
    and squared means, minus the squared mean: the mean and variance of all values together. Sums are float64 and in a
    fixed order, for any number of workers.
    """
    model.train()
    layers = [module for module in model.modules() if isinstance(module, Normalization)]
    batches = epoch_batches(training.samples, training.job.training, training.job.seed, training.state.epoch)
    sums = (_of_batch(training, model, layers, step, batch) for step, batch in enumerate(batches))
    means, squares = (reduce(torch.add, sums) / sum(map(len, batches))).chunk(2)
    sizes = [layer.running_mean.numel() for layer in layers]
    for layer, mean, square in zip(layers, means.split(sizes), squares.split(sizes), strict=True):
        layer.running_mean.copy_(mean.view_as(layer.running_mean))
        variance = (square - mean.square()).clamp(min=0)  # rounding may make that of a constant negative
        layer.running_var.copy_(variance.view_as(layer.running_var))


def _of_batch(training: Training, model: SResNet, layers: list[Normalization], step: int, batch: np.ndarray) -> Tensor:
    """Sums over the samples of a batch, (D,): of the means, then of the variances plus squared means."""
    micro_batches, seed, epoch = training.job.training.micro_batches, training.job.seed, training.state.epoch
    parts, own = micro_batches_of(batch, micro_batches), []
    for index in micro_batches_of_worker(training.workers, micro_batches):
        if len(parts[index]):
            values, _ = load_micro_batch(training, parts[index])
            generator = torch.Generator(training.device).manual_seed(encoding_seed(seed, epoch, step, index))
            own.append(_moments(model, layers, values, generator) * len(values))
        else:
            own.append(_nothing(layers))
    return sum_over_micro_batches(own or [_nothing(layers)], training.workers, micro_batches)


def _moments(model: SResNet, layers: list[Normalization], values: Tensor, generator: torch.Generator) -> Tensor:
    """Means of a micro-batch, then variances by n plus squared means, (D,); they also become the running statistics."""
    counts: dict[Normalization, int] = {}

    def note(name: str, layer: Normalization, given: object, output: tuple[Tensor, Tensor, Statistics]) -> None:
        counts[layer] = output[2].count

    with share_of_batch(1), layer_hooks(model, Normalization, note):
        model(values, generator=generator)
    means = torch.cat([layer.running_mean.flatten().double() for layer in layers])
    # Running variances are by n - 1, with which variances within and between parts would not add up.
    variances = [layer.running_var.flatten().double() * (1 - 1 / counts[layer]) for layer in layers]
    return torch.cat([means, torch.cat(variances) + means.square()])


def _nothing(layers: list[Normalization]) -> Tensor:
    """What a micro-batch without samples adds, (D,)."""
    numbers = 2 * sum(layer.running_mean.numel() for layer in layers)
    return torch.zeros(numbers, dtype=torch.float64, device=layers[0].running_mean.device)
