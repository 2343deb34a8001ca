"""The training loop of the authors' protocol; it resumes after an interruption."""

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from models.numbers import unsound
from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.ground.errors import InputError
from pipeline.protocol.hardware import check_kernels, keep_memory
from pipeline.protocol.reduce import Workers
from pipeline.protocol.sampler import epoch_batches, learning_rate
from pipeline.protocol.score import Score, score
from pipeline.train.checkpoints import DIGEST, KEPT, Checkpoints, intact_checkpoints
from pipeline.train.job import Job
from pipeline.train.progress import Progress, Say
from pipeline.train.recomputed import recompute_statistics
from pipeline.train.state import State
from pipeline.train.step import read_totals, step
from pipeline.train.training import Training, begin, check_same_weights, weights_of
from pipeline.train.used import epoch_digest, lost_or_doubled

EpochMetrics = Mapping[str, float | None]
"""A row of history.csv; None for what was not measured."""


def train(
    job: Job,
    workers: Workers,
    device: torch.device,
    say: Say,
    leave: Callable[[EpochMetrics], bool] = lambda metrics: False,
    halt: Callable[[], bool] = lambda: False,
) -> None:
    """Trains to the end, from the last checkpoint if there is one; the last checkpoint then holds the finished state.

    The end is `job.stops_after`. Stops after an epoch if `leave`, called with its metrics, returns true on the first
    worker, and after a step if `halt` does on any. Raises InputError if the loss is not finite, if an epoch does not
    use each of its samples once, if the workers' weights differ after it, or without the compiled kernels.
    """
    check_kernels(device)
    keep_memory()
    torch.set_num_threads(job.training.threads)
    torch.use_deterministic_algorithms(True)
    number, state = common_state(job, workers, device, say)
    if number:
        say(f"resumes from epoch {state.epoch + 1}, step {state.step}, with {workers.size} worker(s)")
    training = begin(job, workers, device, state)
    if not number:
        say(f"starts with {workers.size} worker(s); the first step of this code on a machine compiles its kernels")
    with Checkpoints(job.checkpoint(), number) as checkpoints:
        while training.state.epoch < job.stops_after:
            halted = run_epoch(training, checkpoints, say, halt)
            if halted or first_answer(workers, device, int(leave(training.state.history[-1]))):
                return


def common_state(job: Job, workers: Workers, device: torch.device, say: Say) -> tuple[int, State]:
    """Number and state of the newest checkpoint that every worker has; 0 and an empty state if none has any.

    Compared by digest: the writer of an attempt that is being killed can still add a checkpoint, or replace one by
    another of the same number. Raises RuntimeError, so that the workers restart, without a common one.
    """
    found = dict[bytes, tuple[int, State]]()
    for digest, number, state in islice(intact_checkpoints(job.checkpoint(), say), KEPT):
        found.setdefault(digest, (number, state))
    of_each = digests_of_each(list(found), workers, device)
    if not any(of_each):
        return 0, State()
    common = set.intersection(*of_each)
    if not common:
        raise RuntimeError("the workers have no checkpoint in common")
    return next(found[digest] for digest in found if digest in common)


def digests_of_each(own: list[bytes], workers: Workers, device: torch.device) -> list[set[bytes]]:
    """The digests of each worker, of which there are at most KEPT."""
    rows = np.zeros((KEPT, DIGEST), dtype=np.uint8)
    for row, digest in zip(rows, own, strict=False):
        row[:] = list(digest)
    gathered = workers.gather(torch.from_numpy(rows).to(device))
    return [{bytes(row.tolist()) for row in one.cpu() if row.any()} for one in gathered]


def first_answer(workers: Workers, device: torch.device, answer: int) -> bool:
    """The first worker's answer, on all workers."""
    if workers.size == 1:
        return bool(answer)
    return bool(workers.gather(torch.tensor([answer], device=device))[0])


def run_epoch(training: Training, checkpoints: Checkpoints, say: Say, halt: Callable[[], bool]) -> bool:
    """Trains the rest of the current epoch; saves a checkpoint every `checkpoint_seconds` and at the end.

    Returns whether `halt` ended it after a step, with a checkpoint.
    """
    job, state = training.job, training.state
    batches = epoch_batches(training.samples, job.training, job.seed, state.epoch)
    for group in training.optimizer.param_groups:
        group["lr"] = learning_rate(job.training, state.epoch)
    progress, saved = Progress(job.training, len(batches), say), time.monotonic()
    for batch in batches[state.step :]:
        halting = step(training, batch, halt)
        if progress.due(state.step, len(batch)):
            read_totals(training)
            progress.report(state)
        if halting or time.monotonic() - saved >= job.checkpoint_seconds:
            checkpoint(training, checkpoints)
            saved = time.monotonic()
        if halting:
            return True
    check_epoch(training, batches)
    check_same_weights(training)
    read_totals(training)
    end_epoch(training)
    for line in job.bands.outside(state.history[-1]) if job.bands else ():
        say(f"WARNING: {line}")
    checkpoint(training, checkpoints)
    return False


def check_epoch(training: Training, batches: list[np.ndarray]) -> None:
    """Raises InputError unless the epoch used each training sample once, in the sampler's order."""
    job, state = training.job, training.state
    left_out = len(training.samples) % job.training.batch_size if job.training.drop_last else 0
    wrong = lost_or_doubled(batches, training.samples, left_out)
    if wrong or state.used != epoch_digest(training.store.ids, batches):
        names = ", ".join(training.store.ids[index] for index in wrong[:3])
        raise InputError(
            f"epoch {state.epoch + 1} did not use each sample once: "
            + (f"the sampler lost or doubled {names}" if wrong else "a step was lost or done twice")
            + f"; remove {job.checkpoint()} and train again"
        )


def end_epoch(training: Training) -> None:
    """Adds the epoch to the history, selects weights, and resets the state for the next epoch."""
    job, state = training.job, training.state
    held = validated(training, training.evaluated)
    row: dict[str, float | None] = {
        "epoch": state.epoch + 1,
        "learning_rate": learning_rate(job.training, state.epoch),
        "train_loss": state.loss_sum / state.seen,
        "train_accuracy": 100.0 * state.correct / state.seen,
        "validation_loss": held.loss() if held else None,
        "validation_accuracy": held.accuracy() if held else None,
        "test_accuracy_authors": test_accuracy(training, training.evaluated),
        "validation_accuracy_recomputed": None,
        "test_accuracy_recomputed": None,
    }
    if held:
        select(training, int(held.correct.sum()))
    if job.training.statistics == "recomputed" and state.epoch + 1 == job.training.epochs:
        row |= with_recomputed_statistics(training)
    state.history.append(row)
    state.samples.append(state.used)
    state.epoch, state.step, state.seen, state.correct, state.loss_sum = state.epoch + 1, 0, 0, 0, 0.0
    state.used = ""
    training.totals.zero_()


def validated(training: Training, model: SResNet) -> Score | None:
    """Counts over the validation samples; None without any."""
    if not len(training.validation):
        return None
    job = training.job
    return score(model, training.store, training.validation, job.training, job.seed, training.workers)


def test_accuracy(training: Training, model: SResNet) -> float | None:
    """Percent of the test set by the authors' protocol; None unless test_each_epoch asks for it."""
    job = training.job
    if not job.training.test_each_epoch:
        return None
    test = Store(job.data, "test")
    tested = score(model, test, np.arange(len(test)), job.training, job.seed, training.workers)
    return tested.authors_accuracy(2 * job.training.batch_size)


def with_recomputed_statistics(training: Training) -> dict[str, float | None]:
    """Recomputes the statistics of the weights that are the result, keeps both, and returns their scores."""
    model = deepcopy(training.evaluated)
    if training.state.selected:
        model.load_state_dict(training.state.selected)
    recompute_statistics(training, model)
    training.state.selected = weights_of(model)
    held = validated(training, model)
    return {
        "validation_accuracy_recomputed": held.accuracy() if held else None,
        "test_accuracy_recomputed": test_accuracy(training, model),
    }


def select(training: Training, correct: int) -> None:
    """Keeps the weights if selection is best-validation and every earlier epoch had fewer correct samples."""
    if training.job.training.selection == "best-validation" and correct > training.state.selected_correct:
        training.state.selected_correct = correct
        training.state.selected = weights_of(training.evaluated)


def checkpoint(training: Training, checkpoints: Checkpoints) -> None:
    """Saves a copy of the state in the background; only on the first worker, since all have the same state.

    Raises InputError if a loss or a weight is not finite, so that no state after it is saved.
    """
    read_totals(training)
    if training.workers.rank:
        return
    state, weights = training.state, sound_weights(training)
    momentum = {
        name: training.optimizer.state[parameter]["momentum_buffer"].detach().cpu().clone()
        for name, parameter in training.model.named_parameters()
        if training.job.training.momentum
    }
    checkpoints.save(
        replace(
            state,
            history=list(state.history),
            samples=list(state.samples),
            weights=weights,
            momentum=momentum,
            averages=weights_of(training.average) if training.average else {},
        )
    )


def sound_weights(training: Training) -> dict[str, Tensor]:
    """A copy of the weights and running statistics. Raises InputError if no network can have them.

    The last loss of an epoch is from before the last update, so it does not tell.
    """
    weights = weights_of(training.model)
    for name, value in weights.items():
        if reason := unsound(name, value):
            raise InputError(
                f"{name} after step {training.state.steps} (of all epochs): {reason}; "
                "a lower training.learning_rate may help"
            )
    return weights
