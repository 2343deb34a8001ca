"""The readout is linear, and ten voters a class are one row."""

import torch

from models.readout import VOTERS, Boosting, MeanVoltage
from tests.models.small import drawn


def test_a_linear_layer_of_the_means() -> None:
    """Two channels with means 2 and 5; rows (1, 0) and (-1, 2) make 2 and 8 of them."""
    readout = MeanVoltage(2, 2)
    readout.linear.weight.data = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    assert readout(torch.tensor([[[2.0, 5.0]]])).tolist() == [[[2.0, 8.0]]]


def test_no_bias() -> None:
    assert [name for name, _ in MeanVoltage(2, 2).named_parameters()] == ["linear.weight"]
    assert MeanVoltage(2, 3)(torch.zeros(4, 5, 2)).abs().max() == 0


def test_boosting_is_a_linear_layer_of_averaged_rows() -> None:
    boosting, plain = Boosting(6, 3).double(), MeanVoltage(6, 3).double()
    weight = boosting.linear.weight.data
    assert weight.shape == (3 * VOTERS, 6) == (30, 6)
    plain.linear.weight.data = torch.stack([weight[0:10].mean(0), weight[10:20].mean(0), weight[20:30].mean(0)])
    means = drawn(2, 4, 6)
    assert boosting(means).shape == (2, 4, 3)
    torch.testing.assert_close(boosting(means), plain(means), rtol=1e-12, atol=1e-12)
