"""The readout is linear, so the ten voters of a class can be merged into one row."""

from dataclasses import replace

import pytest
import torch

from models.readout import READOUTS, VOTERS, Boosting, MeanVoltage
from tests.models.small import drawn
from tests.train.tiny import NETWORK


def test_a_linear_layer_of_the_means() -> None:
    """Two channels with means 2 and 5; rows (1, 0) and (-1, 2) make 2 and 8 of them."""
    readout = MeanVoltage(NETWORK, 2, 2)
    readout.linear.weight.data = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    assert readout(torch.tensor([[[2.0, 5.0]]])).tolist() == [[[2.0, 8.0]]]


def test_no_bias() -> None:
    assert [name for name, _ in MeanVoltage(NETWORK, 2, 2).named_parameters()] == ["linear.weight"]
    assert MeanVoltage(NETWORK, 2, 3)(torch.zeros(4, 5, 2)).abs().max() == 0


def test_boosting_is_a_linear_layer_of_averaged_rows() -> None:
    boosting, plain = Boosting(NETWORK, 6, 3).double(), MeanVoltage(NETWORK, 6, 3).double()
    weight = boosting.linear.weight.data
    assert weight.shape == (3 * VOTERS, 6) == (30, 6)
    plain.linear.weight.data = torch.stack([weight[0:10].mean(0), weight[10:20].mean(0), weight[20:30].mean(0)])
    means = drawn(2, 4, 6)
    assert boosting(means).shape == (2, 4, 3)
    torch.testing.assert_close(boosting(means), plain(means), rtol=1e-12, atol=1e-12)


CURRENTS = [1.0, -0.5, 0.75, 2.5]
BY_HAND = {
    "mean-voltage": [1.0, 0.5, 1.25, 3.75],
    "boosting": [1.0, 0.5, 1.25, 3.75],
    # leak 1/2: 0.5 - 0.5 = 0; 0 + 0.75; 0.375 + 2.5
    "last-voltage": [1.0, 0.0, 0.75, 2.875],
    "maximum-voltage": [1.0, 1.0, 1.0, 2.875],
    # 1 is not above the threshold, nor 0 and 0.75; 2.875 is
    "spike-count": [0.0, 0.0, 0.0, 1.0],
}


@pytest.mark.parametrize("name", READOUTS)
def test_scores_by_hand(name: str) -> None:
    """What a decision after each step goes by, for one output neuron at leak 1/2."""
    readout = READOUTS[name](replace(NETWORK, leak=0.5, time_steps=4), 2, 1).double()
    currents = torch.tensor(CURRENTS, dtype=torch.float64).view(4, 1, 1)
    assert readout.scores(currents).flatten().tolist() == BY_HAND[name]


@pytest.mark.parametrize("name", READOUTS)
def test_logits_are_the_last_scores(name: str) -> None:
    """Those of the mean are the last divided by the number of steps."""
    readout = READOUTS[name](replace(NETWORK, time_steps=4), 2, 3).double()
    features = 3 * drawn(4, 5, 2, 3, 3)
    last = readout.scores(readout.currents(features))[-1]
    expected = last / 4 if name in ("mean-voltage", "boosting") else last
    torch.testing.assert_close(readout.logits(features), expected, rtol=1e-12, atol=1e-12)
    assert expected.abs().max() > 0
