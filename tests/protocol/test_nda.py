"""The augmentation of event frames, operation by operation, and of each sample by itself."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torchvision.transforms.v2 import functional

from pipeline.data.counter import Indices, counter_hash
from pipeline.protocol.nda import AMOUNT_STREAM, CUTOUT, KIND_STREAM, ROLL, ROTATION, SHEAR, nda

Frames = npt.NDArray[Any]
SAMPLES = np.arange(400)
LOW = 2**32 - 1


def frames(number: int, side: int = 32) -> Frames:
    """Counts from 1, smooth over the pixels, so that a neighbour's differs by little."""
    waves = np.random.default_rng(0).integers(1, 4, (number, 3, 2, 1, 1)) * (np.arange(side) + np.arange(side)[:, None])
    return (waves + 1).astype(np.uint8)


def moved(given: Frames, seed: int, epoch: int, indices: Indices) -> Frames:
    found: Frames = nda(torch.from_numpy(given), seed, epoch, indices).numpy()
    return found


def drawn(stream: int) -> list[int]:
    return [int(value) for value in counter_hash(2, 5, SAMPLES, stream)]


def of_kind(kind: int) -> list[tuple[Frames, Frames, int]]:
    """Frames before, flipped where they are, and after, with the number of the amount, of all samples of this kind."""
    given = frames(len(SAMPLES))
    found = moved(given, 2, 5, SAMPLES)
    numbers = zip(given, found, drawn(KIND_STREAM), drawn(AMOUNT_STREAM), strict=True)
    chosen = [
        (before[..., ::-1] if number >> 32 & 1 else before, after, amount)
        for before, after, number, amount in numbers
        if number % 4 == kind
    ]
    assert 70 < len(chosen) < 130
    return chosen


def test_a_roll() -> None:
    for before, after, amount in of_kind(ROLL):
        down, right = (amount & LOW) % 11 - 5, (amount >> 32) % 11 - 5
        np.testing.assert_array_equal(after, np.roll(before, (down, right), (-2, -1)))


def test_a_cutout() -> None:
    """A quarter of the side around a pixel, in all frames of a sample."""
    for before, after, amount in of_kind(CUTOUT):
        top, left = (amount & LOW) % 32 - 4, (amount >> 32) % 32 - 4
        expected = before.copy()
        expected[..., max(top, 0) : top + 8, max(left, 0) : left + 8] = 0
        np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("kind", [ROTATION, SHEAR])
def test_a_rotation_and_a_shear_are_torchvisions(kind: int) -> None:
    """Except for places halfway between two pixels."""
    for before, after, amount in of_kind(kind):
        degrees = float((amount & LOW) % 31 - 15)
        given = torch.from_numpy(before.copy())
        if kind == ROTATION:
            expected = functional.rotate(given, degrees)
        else:
            expected = functional.affine(given, angle=0.0, translate=[0, 0], scale=1.0, shear=[degrees, 0.0])
        assert (torch.from_numpy(after) != expected).float().mean() < 0.01


@pytest.mark.parametrize("parts", [2, 3, 400])
def test_a_sample_does_not_depend_on_its_batch(parts: int) -> None:
    given = frames(len(SAMPLES), 12)
    pieces = zip(np.array_split(given, parts), np.array_split(SAMPLES, parts), strict=True)
    apart = np.concatenate([moved(part, 0, 3, chosen) for part, chosen in pieces])
    np.testing.assert_array_equal(apart, moved(given, 0, 3, SAMPLES))


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_wide_counts_move_like_narrow_ones(kind: type) -> None:
    """A pixel with more than 255 events makes the whole dataset wider."""
    narrow, indices = frames(64), np.arange(64)
    wide = moved(narrow.astype(kind) * 257, 0, 0, indices)
    assert wide.dtype == kind
    np.testing.assert_array_equal(wide, moved(narrow, 0, 0, indices).astype(kind) * 257)


def test_half_of_the_samples_are_flipped_and_the_input_stays() -> None:
    given = frames(len(SAMPLES))
    before = given.copy()
    moved(given, 0, 0, SAMPLES)
    np.testing.assert_array_equal(given, before)
    assert np.mean([number >> 32 & 1 for number in drawn(KIND_STREAM)]) == pytest.approx(0.5, abs=0.1)
