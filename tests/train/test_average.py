"""Averaged weights by hand, and by a loop over the steps of a training."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.average import update_average
from pipeline.train.state import State
from pipeline.train.step import step
from pipeline.train.training import begin, weights_of
from tests.train.tiny import RECIPE, TRAINING, tiny_job


def test_an_average_by_hand() -> None:
    """d is 2/11 after the first step, 3/12 after the second; after step 100, 101/110 is above the decay of 1/2."""
    averages, weight = [torch.tensor([11.0], dtype=torch.float64)], torch.tensor([22.0], dtype=torch.float64)
    found = []
    for done in (1, 2, 100):
        update_average(averages, [weight], 0.5, done)
        found.append(averages[0].item())
    assert found == pytest.approx([2 + 18, 5 + 16.5, 10.75 + 11])


def test_the_average_of_a_training_by_a_loop(tmp_path: Path) -> None:
    """Of the weights and statistics after each step, from the initial ones. Nothing moves in memory, because a CUDA
    graph has addresses."""
    job = tiny_job(tmp_path, replace(TRAINING, **RECIPE))
    training = begin(job, Alone(), torch.device("cpu"), State())
    assert training.average is not None
    expected = {name: value.double() for name, value in weights_of(training.model).items()}
    tensors = [*training.parameters, *training.buffers, *training.averages]
    places = [tensor.data_ptr() for tensor in tensors]
    batches = [batch for epoch in range(2) for batch in epoch_batches(training.samples, job.training, 0, epoch)]
    for done, batch in enumerate(batches, 1):
        step(training, batch)
        d = min(0.9, (1 + done) / (10 + done))
        now = weights_of(training.model)
        expected = {name: d * value + (1 - d) * now[name].double() for name, value in expected.items()}
    assert [tensor.data_ptr() for tensor in tensors] == places
    for name, value in weights_of(training.average).items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
        assert not torch.equal(value, training.model.state_dict()[name]), name
