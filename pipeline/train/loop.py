"""Training by the authors' protocol, epoch by epoch, after any interruption from where it stopped."""

import time
from pathlib import Path

import numpy as np
import torch

from pipeline.data.store import Store
from pipeline.train.hardware import keep_memory
from pipeline.train.job import Job
from pipeline.train.progress import Progress, Say
from pipeline.train.reduce import Workers
from pipeline.train.sampler import epoch_batches, learning_rate
from pipeline.train.score import score
from pipeline.train.state import State, load, save
from pipeline.train.step import step
from pipeline.train.training import Training, begin, weights_of


def train(job: Job, workers: Workers, device: torch.device, say: Say) -> None:
    """Trains to the end, from the last checkpoint if there is one; the finished state lies in the checkpoint.

    Raises InputError if the loss stops being a number.
    """
    keep_memory()
    torch.set_num_threads(job.training.threads)
    torch.use_deterministic_algorithms(True)
    path = job.checkpoint()
    training = begin(job, workers, device, load(path) or State())
    if training.state.weights:
        say(f"goes on from epoch {training.state.epoch + 1}, step {training.state.step}")
    while training.state.epoch < job.training.epochs:
        run_epoch(training, path, say)


def run_epoch(training: Training, path: Path, say: Say) -> None:
    """The rest of the current epoch, with a checkpoint now and then and one at its end."""
    job, state = training.job, training.state
    batches = epoch_batches(training.samples, job.training, job.seed, state.epoch)
    for group in training.optimizer.param_groups:
        group["lr"] = learning_rate(job.training, state.epoch)
    progress, saved = Progress(job.training, len(batches), say), time.monotonic()
    for batch in batches[state.step :]:
        step(training, batch)
        progress.step(state, len(batch))
        if time.monotonic() - saved >= job.checkpoint_seconds:
            checkpoint(training, path)
            saved = time.monotonic()
    end_epoch(training)
    checkpoint(training, path)


def end_epoch(training: Training) -> None:
    """Writes the epoch into the history, selects weights, and turns the page."""
    job, state = training.job, training.state
    row: dict[str, float | None] = {
        "epoch": state.epoch + 1,
        "learning_rate": learning_rate(job.training, state.epoch),
        "train_loss": state.loss_sum / state.seen,
        "train_accuracy": 100.0 * state.correct / state.seen,
        "validation_loss": None,
        "validation_accuracy": None,
        "test_accuracy_authors": None,
    }
    if len(training.validation):
        held = score(training.model, training.store, training.validation, job.training, job.seed, training.workers)
        row |= {"validation_loss": held.loss(), "validation_accuracy": held.accuracy()}
        select(training, int(held.correct.sum()))
    if job.training.test_each_epoch:
        test = Store(job.data, "test")
        tested = score(training.model, test, np.arange(len(test)), job.training, job.seed, training.workers)
        row["test_accuracy_authors"] = tested.authors_accuracy(2 * job.training.batch_size)
    state.history.append(row)
    state.epoch, state.step, state.seen, state.correct, state.loss_sum = state.epoch + 1, 0, 0, 0, 0.0


def select(training: Training, correct: int) -> None:
    """Keeps the weights if selection goes by validation and no earlier epoch had more correct samples."""
    if training.job.training.selection == "best-validation" and correct > training.state.selected_correct:
        training.state.selected_correct = correct
        training.state.selected = weights_of(training.model)


def checkpoint(training: Training, path: Path) -> None:
    """Writes the state; only the first worker does, since all hold the same."""
    if training.workers.rank:
        return
    training.state.weights = weights_of(training.model)
    training.state.momentum = {
        name: training.optimizer.state[parameter]["momentum_buffer"].detach().cpu().clone()
        for name, parameter in training.model.named_parameters()
    }
    save(training.state, path)
