"""Averaged weights by hand."""

import pytest
import torch

from pipeline.train.average import update_average


def test_an_average_by_hand() -> None:
    """d is 2/11 after the first step, 3/12 after the second; after step 100, 101/110 is above the decay of 1/2."""
    averages, weight = [torch.tensor([11.0], dtype=torch.float64)], torch.tensor([22.0], dtype=torch.float64)
    found = []
    for step in (1, 2, 100):
        update_average(averages, [weight], 0.5, step)
        found.append(averages[0].item())
    assert found == pytest.approx([2 + 18, 5 + 16.5, 10.75 + 11])
