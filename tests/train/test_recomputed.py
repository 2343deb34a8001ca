"""Statistics over the training samples, by one pass over all values."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.hooks import layer_hooks
from models.normalization import Normalization
from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.recomputed import recompute_statistics
from pipeline.train.state import State
from pipeline.train.training import begin
from tests.train.tiny import NETWORK, TRAINING, tiny_job

CPU = torch.device("cpu")


@pytest.mark.parametrize("normalization", ["bntt", "tebn"])
@pytest.mark.parametrize("kind", ["images", "frames"])
def test_statistics_are_those_of_all_values_together(tmp_path: Path, kind: Any, normalization: str) -> None:
    """Of parts of equal size, down to five values of a channel in the last stage of the frames."""
    job = tiny_job(tmp_path, TRAINING, kind=kind)
    training = begin(replace(job, network=replace(NETWORK, normalization=normalization)), Alone(), CPU, State())
    seen: dict[Normalization, list[Tensor]] = {}

    def note(name: str, layer: Normalization, given: tuple[Tensor, int]) -> None:
        currents, steps = given
        seen.setdefault(layer, []).append(currents.double().expand(steps, *currents.shape[1:]))

    with layer_hooks(training.model, Normalization, note, before=True):
        recompute_statistics(training, training.model)
    assert len(seen) == 1 + 2 * 3 + 2
    for layer, parts in seen.items():
        values, over = torch.cat(parts, 1), (0, 1, 3, 4) if len(layer.running_mean) == 1 else (1, 3, 4)
        assert values.shape[1] == len(training.samples)
        mean, variance = values.mean(over, keepdim=True), values.var(over, correction=0, keepdim=True)
        torch.testing.assert_close(layer.running_mean.flatten().double(), mean.flatten(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(layer.running_var.flatten().double(), variance.flatten(), rtol=1e-5, atol=1e-6)


def test_parts_of_other_sizes_count_by_their_samples(tmp_path: Path) -> None:
    """Batches of 20 and 10, each in two parts."""
    job = tiny_job(tmp_path, replace(TRAINING, batch_size=20))
    training = begin(job, Alone(), CPU, State())
    recompute_statistics(training, training.model)
    parts = [part for batch in epoch_batches(np.arange(30), job.training, 0, 0) for part in np.array_split(batch, 2)]
    assert [len(part) for part in parts] == [10, 10, 5, 5]
    pixels = torch.from_numpy(training.store.read(np.arange(30))).float() * training.store.scale
    currents = training.model.stem.conv(pixels).transpose(0, 1).flatten(1).detach().double()
    for step in range(job.network.time_steps):  # an image is the same in each
        norm = training.model.stem.norm
        torch.testing.assert_close(norm.running_mean[step].double(), currents.mean(1), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var[step].double(), currents.var(1, correction=0), rtol=1e-5, atol=1e-6)


def test_only_training_samples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = begin(tiny_job(tmp_path, replace(TRAINING, validation_percent=40)), Alone(), CPU, State())
    read, seen = training.store.read, list[int]()
    monkeypatch.setattr(training.store, "read", lambda batch: [seen.extend(batch), read(batch)][1])
    recompute_statistics(training, training.model)
    assert sorted(seen) == training.samples.tolist()
