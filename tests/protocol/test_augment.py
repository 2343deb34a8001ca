"""Counter-based random numbers: they depend only on (seed, epoch, index, stream), not on the worker."""

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.counter import Indices, _mix, counter_hash
from pipeline.protocol.augment import CROP_STREAM, PADDING, augmented, crop_flip
from pipeline.protocol.autoaugment import autoaugment
from pipeline.protocol.cutout import CUTOUT_STREAM, cutout
from tests.train.tiny import TRAINING

MASK = 2**64 - 1


def splitmix_by_hand(seed: int, epoch: int, index: int, stream: int) -> int:
    """The same in plain integers."""
    state = 0
    for value in (seed, epoch, stream, index):
        state = ((state ^ value) + 0x9E3779B97F4A7C15) & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return state


def images(number: int, *, channels: int = 3, size: int = 12) -> npt.NDArray[np.uint8]:
    """Every pixel its own value, none of them 0."""
    drawn = np.random.default_rng(number).integers(1, 256, (number, channels, size, size))
    return drawn.astype(np.uint8)


def moved(given: npt.NDArray[np.uint8], seed: int, epoch: int, indices: Indices) -> npt.NDArray[np.uint8]:
    return crop_flip(torch.from_numpy(given), seed, epoch, indices).numpy()


def test_the_numbers_are_golden() -> None:
    assert [hex(value) for value in counter_hash(0, 0, np.array([0, 1, 2]), 0)] == [
        "0x2130748aaac80268",
        "0x2a4f111b3be57715",
        "0x4f833d459789ac77",
    ]
    assert hex(counter_hash(2**63, 99, np.array([2**40]), CROP_STREAM)[0]) == "0x3757ba39871f5791"


def test_one_step_is_splitmix64() -> None:
    """Its first output from state 0, as published with the generator, is the first mix of zero."""
    assert hex(_mix(np.zeros(1, np.uint64))[0]) == "0xe220a8397b1dcdaf"


@given(*[st.integers(0, 2**63 - 1)] * 4)
@settings(deadline=None, derandomize=True, max_examples=50)
def test_the_numbers_are_those_of_plain_integers(seed: int, epoch: int, index: int, stream: int) -> None:
    assert int(counter_hash(seed, epoch, np.array([index]), stream)[0]) == splitmix_by_hand(seed, epoch, index, stream)


def test_each_of_the_four_changes_the_number() -> None:
    drawn = {
        int(counter_hash(seed, epoch, np.array([index]), stream)[0])
        for seed in range(6)
        for epoch in range(6)
        for index in range(6)
        for stream in range(6)
    }
    assert len(drawn) == 6**4


def test_a_number_knows_nothing_of_the_others_in_its_call() -> None:
    indices = np.arange(50)
    together = counter_hash(3, 1, indices, 10)
    np.testing.assert_array_equal(counter_hash(3, 1, indices[::-1], 10), together[::-1])
    np.testing.assert_array_equal(counter_hash(3, 1, indices[20:21], 10), together[20:21])
    np.testing.assert_array_equal(indices, np.arange(50))
    assert len(counter_hash(3, 1, indices[:0], 10)) == 0


def test_the_numbers_are_uniform_in_every_bit() -> None:
    drawn = counter_hash(0, 0, np.arange(20_000), CROP_STREAM)
    bits = [float(((drawn >> np.uint64(place)) & np.uint64(1)).mean()) for place in range(64)]
    assert max(abs(share - 0.5) for share in bits) < 0.02  # more than five standard deviations


def test_a_crop_is_a_window_of_the_padded_image_mirrored_or_not() -> None:
    source = images(40)
    cropped = moved(source, 5, 2, np.arange(40))
    assert (cropped.shape, cropped.dtype) == (source.shape, np.uint8)
    seen = set()
    for before, after in zip(source, cropped, strict=True):
        padded = np.pad(before, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
        places = [
            (top, left, flip)
            for top in range(2 * PADDING + 1)
            for left in range(2 * PADDING + 1)
            for flip in (False, True)
            if np.array_equal(padded[:, top : top + 12, left : left + 12][:, :, :: -1 if flip else 1], after)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert {flip for *_, flip in seen} == {False, True}
    assert len(seen) > 30


def test_offsets_and_mirroring_are_read_from_the_number_as_stated() -> None:
    source, indices = images(6, size=9), np.array([4, 8, 15, 16, 23, 42])
    cropped = moved(source, 1, 0, indices)
    for before, after, index in zip(source, cropped, indices.tolist(), strict=True):
        number = splitmix_by_hand(1, 0, index, CROP_STREAM)
        top, left = number % 9, (number >> 16) % 9
        expected = np.pad(before, ((0, 0), (4, 4), (4, 4)))[:, top : top + 9, left : left + 9]
        np.testing.assert_array_equal(after, expected[:, :, ::-1] if number >> 32 & 1 else expected)


@pytest.mark.parametrize("parts", [2, 3, 10])
def test_a_sample_does_not_depend_on_its_batch(parts: int) -> None:
    source, indices = images(10), np.arange(10) * 7
    whole = moved(source, 0, 3, indices)
    pieces = [
        moved(part, 0, 3, chosen)
        for part, chosen in zip(np.array_split(source, parts), np.array_split(indices, parts), strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_every_offset_comes_up_and_half_of_the_images_are_mirrored() -> None:
    pixel = np.zeros((2000, 1, 9, 9), np.uint8)
    pixel[:, 0, 4, 4] = 255
    cropped = moved(pixel, 0, 0, np.arange(2000))
    counts = (cropped == 255).sum(axis=(0, 1))
    assert counts.sum() == 2000
    assert counts.min() > 5
    edge = np.zeros((2000, 1, 20, 20), np.uint8)
    edge[..., 4] = 255  # from the padded left: 0 to 8, mirrored 11 to 19
    mirrored = (moved(edge, 0, 0, np.arange(2000))[:, 0, 10] == 255).argmax(axis=1) > 10
    assert abs(mirrored.mean() - 0.5) < 0.05


def test_another_epoch_or_seed_crops_another_way_and_the_input_stays() -> None:
    source = images(20)
    before = source.copy()
    crops = [moved(source, seed, epoch, np.arange(20)) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert not np.array_equal(crops[0], crops[1])
    assert not np.array_equal(crops[0], crops[2])
    np.testing.assert_array_equal(source, before)


def test_a_cutout_by_hand() -> None:
    """16 x 16 pixels around the pixel that the number's halves give, cut at the border."""
    source, indices = images(30, size=20), np.arange(30) * 3
    colour = torch.tensor([1, 2, 3], dtype=torch.uint8)
    covered = cutout(torch.from_numpy(source), colour, 4, 2, indices).numpy()
    for before, after, index in zip(source, covered, indices.tolist(), strict=True):
        number = splitmix_by_hand(4, 2, index, CUTOUT_STREAM)
        top, left = (number & 2**32 - 1) % 20 - 8, (number >> 32) % 20 - 8
        expected = before.copy()
        expected[:, max(top, 0) : top + 16, max(left, 0) : left + 16] = np.array([1, 2, 3])[:, None, None]
        np.testing.assert_array_equal(after, expected)


def test_autoaugment_comes_after_the_crop_and_before_a_cutout_in_the_mean_colour() -> None:
    source, indices = torch.from_numpy(images(20, size=32)), np.arange(20)
    training = replace(TRAINING, augmentation="autoaugment", pixel_mean=(0.4914, 0.4822, 0.4465), pixel_std=(0.2,) * 3)
    expected = autoaugment(crop_flip(source, 1, 2, indices), 1, 2, indices)
    colour = torch.tensor([125, 123, 114], dtype=torch.uint8)
    assert torch.equal(augmented(source, training, 1, 2, indices), cutout(expected, colour, 1, 2, indices))
    assert augmented(source, replace(TRAINING, augmentation="none"), 1, 2, indices) is source


@pytest.mark.parametrize(
    ("augmentation", "shape", "digest"),
    [("crop-flip", (64, 3, 32, 32), "6974f75063fbd678"), ("nda", (64, 3, 2, 34, 30), "c04707176758de72")],
)
def test_augmented_pixels_are_golden(augmentation: str, shape: tuple[int, ...], digest: str) -> None:
    """As the committed results were trained with, when numpy computed them. Every augmentation that is called exact."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    found = augmented(pixels, replace(TRAINING, augmentation=augmentation), 3, 7, np.arange(64) * 3)
    assert hashlib.sha256(found.numpy().tobytes()).hexdigest()[:16] == digest
