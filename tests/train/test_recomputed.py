"""Statistics over the training samples by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.recomputed import recompute_statistics
from pipeline.train.state import State
from pipeline.train.training import begin
from tests.train.tiny import TRAINING, tiny_job

CPU = torch.device("cpu")


def test_statistics_of_the_first_layer_by_hand(tmp_path: Path) -> None:
    """Batches of 20 and 10, each in two parts: sums of the parts' means and variances, weighted by their sizes."""
    job = tiny_job(tmp_path, replace(TRAINING, batch_size=20))
    training = begin(job, Alone(), CPU, State())
    recompute_statistics(training, training.model)
    parts = [part for batch in epoch_batches(np.arange(30), job.training, 0, 0) for part in np.array_split(batch, 2)]
    assert [len(part) for part in parts] == [10, 10, 5, 5]
    mean, square = 0.0, 0.0
    for part in parts:
        pixels = torch.from_numpy(training.store.read(part)).float() * training.store.scale
        currents = training.model.stem.conv(pixels).transpose(0, 1).flatten(1).detach().double()
        mean += len(part) / 30 * currents.mean(1)
        square += len(part) / 30 * (currents.var(1) + currents.mean(1).square())
    for step in range(job.network.time_steps):  # an image is the same in each
        norm = training.model.stem.norm
        torch.testing.assert_close(norm.running_mean[step].double(), mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var[step].double(), square - mean**2, rtol=1e-5, atol=1e-6)


def test_only_training_samples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = begin(tiny_job(tmp_path, replace(TRAINING, validation_percent=40)), Alone(), CPU, State())
    read, seen = training.store.read, list[int]()
    monkeypatch.setattr(training.store, "read", lambda batch: [seen.extend(batch), read(batch)][1])
    recompute_statistics(training, training.model)
    assert sorted(seen) == training.samples.tolist()
