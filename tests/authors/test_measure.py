"""What the stage `agreement` measures: sizes of networks, and deviations to one digit."""

from dataclasses import replace

import pytest

from models.sresnet import SResNet
from pipeline.authors.measure import multiply_adds, rounded_up, size_of
from pipeline.ground.paths import CLAIMS
from pipeline.judge.claims import CountClaim, read_claims
from tests.train.tiny import NETWORK


@pytest.mark.parametrize(
    ("deviation", "rounded"), [(0.0, 0.0), (8.1e-16, 9e-16), (9.1e-16, 1e-15), (3e-15, 3e-15), (float("inf"), None)]
)
def test_a_deviation_is_rounded_up_to_one_digit(deviation: float, rounded: float | None) -> None:
    assert rounded_up(deviation) == rounded


def test_multiply_adds_by_hand() -> None:
    """One block a stage, 4 filters, 8 x 8 pixels: each 3 x 3 weight at each place, 1 x 1 skips, and the readout."""
    model = SResNet(replace(NETWORK, width=4), input_shape=(1, 8, 8), classes=3, frames=False)
    first, second, third = 64, 16, 4  # places of the three stages
    convolutions = 9 * (1 * 4 * first + 2 * 4 * 4 * first)
    convolutions += 9 * (4 * 8 + 8 * 8) * second + 4 * 8 * second
    convolutions += 9 * (8 * 16 + 16 * 16) * third + 8 * 16 * third
    assert multiply_adds(model) == convolutions + 16 * 3


def test_the_claimed_sizes_come_out() -> None:
    claims = [claim for claim in read_claims(CLAIMS).claims if isinstance(claim, CountClaim)]
    assert {claim.of for claim in claims} == {"parameters", "multiply-adds"}
    assert {claim.id: size_of(claim) for claim in claims} == {claim.id: claim.count for claim in claims}
