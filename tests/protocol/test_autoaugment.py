"""AutoAugment against torchvision's, and without the other images of a batch."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torchvision.transforms.v2 import AutoAugment, AutoAugmentPolicy, InterpolationMode

from pipeline.data.counter import Indices
from pipeline.protocol.autoaugment import OPERATIONS, POLICY, autoaugment, operate

TORCHVISION = AutoAugment(AutoAugmentPolicy.CIFAR10)
NAMES = {name.replace("-", ""): name for name in OPERATIONS}


def images(number: int) -> npt.NDArray[np.uint8]:
    """Smooth ones with noise, so that no operation leaves them as they are."""
    drawn = np.random.default_rng(number)
    waves = np.sin(np.arange(32) * drawn.uniform(0.05, 0.3, (number, 3, 1)))[..., None] * 60 + 120
    return (waves + drawn.uniform(-40, 40, (number, 3, 32, 32))).astype(np.uint8)


def changed(given: npt.NDArray[np.uint8], seed: int, epoch: int, indices: Indices) -> npt.NDArray[np.uint8]:
    return autoaugment(torch.from_numpy(given), seed, epoch, indices).numpy()


def test_the_policy_is_torchvisions() -> None:
    theirs = [[(NAMES[name.lower()], p, level or 0) for name, p, level in pair] for pair in TORCHVISION._policies]
    assert [list(pair) for pair in POLICY] == theirs


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("name", "level"), sorted({(name, level) for pair in POLICY for name, _, level in pair}))
def test_an_operation_is_torchvisions(name: str, level: int, sign: int) -> None:
    """On one image after the other."""
    title = next(title for title in TORCHVISION._AUGMENTATION_SPACE if NAMES.get(title.lower()) == name)
    magnitudes, signed = TORCHVISION._AUGMENTATION_SPACE[title]
    values = magnitudes(10, 32, 32)
    magnitude = 0.0 if values is None else float(values[level]) * (sign if signed else 1)
    given = torch.from_numpy(images(6))
    nearest = InterpolationMode.NEAREST
    for image, found in zip(given, operate(given, name, level, sign), strict=True):
        expected = TORCHVISION._apply_image_or_video_transform(image, title, magnitude, nearest, TORCHVISION._fill)
        assert torch.equal(found, expected)


@pytest.mark.parametrize("parts", [2, 3, 64])
def test_an_image_does_not_depend_on_its_batch(parts: int) -> None:
    source, indices = images(64), np.arange(64) * 7
    whole = changed(source, 0, 3, indices)
    pieces = [
        changed(part, 0, 3, chosen)
        for part, chosen in zip(np.array_split(source, parts), np.array_split(indices, parts), strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_rows_of_the_policy_come_up_equally_and_operations_with_their_probability() -> None:
    """Black images with one grey pixel: only inverting makes most pixels white; rows 0 and 23 invert one of ten, and
    row 14 none."""
    source = np.zeros((5000, 3, 32, 32), np.uint8)
    source[:, :, 8, 8] = 100
    found = changed(source, 0, 0, np.arange(5000))
    assert (np.median(found, axis=(1, 2, 3)) == 255).mean() == pytest.approx(2 / 25 * 0.1, abs=0.004)
    np.testing.assert_array_equal(source[:, :, 8, 8], 100)


def test_a_shift_by_hand() -> None:
    """Level 9 is 150/331 of 32 pixels, 14.5, of which the whole ones count."""
    given = torch.from_numpy(images(1))
    right = operate(given, "translate-x", 9, 1)
    assert torch.equal(right[..., 14:], given[..., :-14])
    assert not right[..., :14].any()
    up = operate(given, "translate-y", 9, -1)
    assert torch.equal(up[..., :-14, :], given[..., 14:, :])


def test_another_epoch_or_seed_draws_other_operations() -> None:
    source = images(40)
    found = [changed(source, seed, epoch, np.arange(40)) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
