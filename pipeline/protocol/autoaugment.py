"""AutoAugment's policy for CIFAR, for a batch of images, with counter-based random numbers (counter.py).

Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data" (CVPR 2019), with the operations' ranges there. A
level is a number of ninths of a range. Brightness, colour, contrast and sharpness go up or down, shears, shifts and
rotations to either side, with probability 1/2 each. Uncovered pixels are black. Shapes: B images, H height, W width.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from pipeline.data.counter import Indices, counter_hash

POLICY_STREAM = 11
OPERATION_STREAMS = (12, 13)

Operation = tuple[str, float, int]
"""Name, probability, and level, which is 0 for an operation without a magnitude."""
POLICY: tuple[tuple[Operation, Operation], ...] = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate-x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear-y", 0.5, 8), ("translate-y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear-y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate-x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate-y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate-y", 0.9, 9), ("translate-y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate-y", 0.7, 9), ("autocontrast", 0.9, 0)),
)

_NAMES_LEVELS: list[tuple[str, int]] = sorted({(name, level) for pair in POLICY for name, _, level in pair})
_NUMBER = np.array([[_NAMES_LEVELS.index((name, level)) for name, _, level in pair] for pair in POLICY])
_PROBABILITY = np.array([[probability for _, probability, _ in pair] for pair in POLICY])


def autoaugment(images: Tensor, seed: int, epoch: int, indices: Indices) -> Tensor:
    """Images (B, 3, H, W) on the CPU, uint8, each after the two operations of a random row of the policy."""
    rows = (counter_hash(seed, epoch, indices, POLICY_STREAM) % np.uint64(len(POLICY))).astype(np.int64)
    changed = images.clone()
    for place, stream in enumerate(OPERATION_STREAMS):
        drawn = counter_hash(seed, epoch, indices, stream)
        acts = (drawn >> np.uint64(11)) * 2.0**-53 < _PROBABILITY[rows, place]
        numbers = np.where(acts, _NUMBER[rows, place], -1)
        up = drawn & np.uint64(1) == 1
        # All images of a batch with the same operation at once.
        for number in np.unique(numbers[acts]):
            for sign, signed in ((1, up), (-1, ~up)):
                chosen = torch.from_numpy((numbers == number) & signed)
                if chosen.any():
                    changed[chosen] = operate(changed[chosen], *_NAMES_LEVELS[int(number)], sign)
    return changed


def operate(images: Tensor, name: str, level: int, sign: int) -> Tensor:
    """Images (B, 3, H, W) after one operation; `sign` is 1 or -1."""
    return OPERATIONS[name](images, level, sign)


def _shear(images: Tensor, slope: float) -> Tensor:
    """Sheared along the columns around the top left corner; the nearest pixel."""
    degrees = [0.0, math.degrees(math.atan(slope))]
    return functional.affine(images, angle=0.0, translate=[0, 0], scale=1.0, shear=degrees, center=[0.0, 0.0])


def _shift(images: Tensor, x: float, y: float) -> Tensor:
    """Shifted by whole pixels; x and y are in units of the image's side."""
    pixels = [int(x * images.shape[-1]), int(y * images.shape[-2])]
    return functional.affine(images, angle=0.0, translate=pixels, scale=1.0, shear=[0.0, 0.0])


def _factor(level: int, sign: int) -> float:
    """1 for the image as it is. In float32 like torchvision's, because results are cut to whole numbers."""
    return 1 + sign * float(torch.linspace(0, 0.9, 10)[level])


_SIDE = 150 / 331
"""Range of the shifts, in units of the side: 150 of the 331 pixels of their ImageNet images."""
OPERATIONS: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "shear-y": lambda images, level, sign: _shear(images, sign * level / 9 * 0.3),
    "translate-x": lambda images, level, sign: _shift(images, sign * level / 9 * _SIDE, 0),
    "translate-y": lambda images, level, sign: _shift(images, 0, sign * level / 9 * _SIDE),
    "rotate": lambda images, level, sign: functional.rotate(images, sign * level / 9 * 30),
    "brightness": lambda images, level, sign: functional.adjust_brightness(images, _factor(level, sign)),
    "color": lambda images, level, sign: functional.adjust_saturation(images, _factor(level, sign)),
    "contrast": lambda images, level, sign: functional.adjust_contrast(images, _factor(level, sign)),
    "sharpness": lambda images, level, sign: functional.adjust_sharpness(images, _factor(level, sign)),
    "posterize": lambda images, level, sign: functional.posterize(images, 8 - round(4 * level / 9)),
    "solarize": lambda images, level, sign: functional.solarize(images, 255 * (1 - level / 9)),
    "autocontrast": lambda images, level, sign: functional.autocontrast(images),
    "equalize": lambda images, level, sign: functional.equalize(images),
    "invert": lambda images, level, sign: functional.invert(images),
}
"""By the name in POLICY: images, level and sign."""
