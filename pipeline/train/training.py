"""A training in progress, as one worker holds it."""

import hashlib
import os
import platform
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD

from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.ground.errors import InputError
from pipeline.protocol.augment import EXACT
from pipeline.protocol.reduce import Workers
from pipeline.protocol.sampler import hold_out
from pipeline.train.job import Job
from pipeline.train.replay import Replay, records
from pipeline.train.samples import DeviceSamples, room_on
from pipeline.train.state import State
from pipeline.train.trainable import check_trainable

_NAME = 64
"""Bytes of a machine's name, which Linux limits to 64."""


@dataclass(kw_only=True)
class Training:
    """The state of one worker; weights, momentum and `state` are the same on all workers."""

    job: Job
    workers: Workers
    store: Store
    model: SResNet
    average: SResNet | None
    """The network with averaged weights; None without an average."""
    optimizer: SGD
    state: State
    device: torch.device
    totals: Tensor
    """Sum of losses, correct samples, and steps before the first loss that is not finite, of this epoch so far: (3,),
    float64, on the device, so that no step waits for them."""
    samples: np.ndarray
    """Indices of the training samples; the other samples of the split are held out for validation."""
    validation: np.ndarray

    @property
    def evaluated(self) -> SResNet:
        """The network that is scored, and whose weights are the result."""
        return self.average or self.model

    # Cached: walking all modules at each step would cost as much as some layers do.
    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.model.parameters())

    @cached_property
    def buffers(self) -> list[Tensor]:
        return list(self.model.buffers())

    @cached_property
    def averages(self) -> list[Tensor]:
        """Averages of parameters and buffers; running statistics are averaged like weights."""
        return [] if self.average is None else [*self.average.parameters(), *self.average.buffers()]

    @cached_property
    def data(self) -> DeviceSamples:
        """The training split; in the GPU's memory if it fits and its augmentation gives the CPU's bits there."""
        exact = self.job.training.augmentation in EXACT
        return DeviceSamples.of(self.store, self.device, room_on(self.device) if exact else 0)

    @cached_property
    def replay(self) -> Replay | None:
        """CUDA graphs of micro-batches; None on a CPU, and with Poisson encoding, whose numbers they would repeat."""
        recorded = records(self.device) and self.job.network.encoding != "poisson"
        return Replay(self.buffers) if recorded else None

    @cached_property
    def updates(self) -> Replay | None:
        """CUDA graph of the optimizer's step; None on a CPU. Read it after the first step, which makes the momentum."""
        momentum = [value for state in self.optimizer.state.values() for value in state.values()]
        changed = [*self.parameters, *self.buffers, *momentum, self.totals]
        return Replay(changed) if records(self.device) else None

    @cached_property
    def sizes(self) -> list[int]:
        """Element counts of each parameter and buffer, and 3 metrics: the parts of a micro-batch's contribution."""
        return [value.numel() for value in [*self.parameters, *self.buffers]] + [3]


def begin(job: Job, workers: Workers, device: torch.device, state: State) -> Training:
    """The training resumed from `state`; with an empty state, weights are initialized from the seed.

    Raises InputError for parameters that do not fit the data.
    """
    store = job.train_store()
    check_same_data(job, workers, device, store)
    check_trainable(job.name, job.network, job.training, store.manifest)
    samples, validation = hold_out(store.labels, job.training.validation_percent)
    model = job.build()
    model.reset_parameters(torch.Generator().manual_seed(job.seed))
    model.to(device)
    model.recompute = job.recompute
    config = job.training
    optimizer = SGD(
        model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
    if state.weights:
        model.load_state_dict(state.weights)
    for name, parameter in model.named_parameters():
        if name in state.momentum:
            optimizer.state[parameter]["momentum_buffer"] = state.momentum[name].to(device)
    average = deepcopy(model) if config.average_decay else None
    if average is not None and state.averages:
        average.load_state_dict(state.averages)
    return Training(
        job=job,
        workers=workers,
        store=store,
        model=model,
        average=average,
        optimizer=optimizer,
        state=replace(state, weights={}, momentum={}, averages={}),
        device=device,
        totals=torch.tensor([state.loss_sum, state.correct, state.step], dtype=torch.float64, device=device),
        samples=samples,
        validation=validation,
    )


def check_same_data(job: Job, workers: Workers, device: torch.device, store: Store) -> None:
    """Raises InputError, on all workers, unless all have the same training split."""
    if named := named_difference(workers, device, bytes.fromhex(store.digest)):
        raise InputError(
            f"{named} have different training rows of {store.title}; "
            "preprocess the dataset again, and give every node the same shards"
        )


def check_same_weights(training: Training) -> None:
    """Raises InputError, on all workers, unless all have the same weights and running statistics, bit for bit."""
    if training.workers.size == 1:
        return
    digest = hashlib.sha256()
    for network in filter(None, (training.model, training.average)):
        for value in weights_of(network).values():
            digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    if named := named_difference(training.workers, training.device, digest.digest()):
        job = training.job
        raise InputError(
            f"after epoch {training.state.epoch + 1}, {named} have different weights: one computed or "
            f"received wrong numbers; remove {job.checkpoint()} and train again"
        )


def named_difference(workers: Workers, device: torch.device, digest: bytes) -> str | None:
    """Names worker 0 and the first one with another digest, the same answer on all; None if all digests are equal."""
    name = os.fsencode(platform.node() or "?")[:_NAME].ljust(_NAME, b"\0")
    sent = torch.tensor(list(digest + name), dtype=torch.uint8, device=device)
    first, *others = (bytes(found.tolist()) for found in workers.gather(sent))
    for rank, other in enumerate(others, 1):
        if other[: len(digest)] != first[: len(digest)]:
            here, there = (one[len(digest) :].rstrip(b"\0").decode(errors="replace") for one in (first, other))
            return f"workers 0 (on {here}) and {rank} (on {there})"
    return None


def weights_of(model: SResNet) -> dict[str, Tensor]:
    """Copies of parameters and buffers on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
