"""Surrogate derivatives of the step function, by name.

A shape is a function of x = z / width with z = v / threshold - 1, and 1 at the threshold. The derivative is height
times the shape, so each published form is a shape with two numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SIDE = 0.15  # Yin et al. 2021: weight of each of the two wide Gaussians
"""Weight of each of the two wide Gaussians of `multi_gaussian`."""
SPREAD = 6.0  # and how much wider they are
"""How many times wider they are."""
SQUARES = 2.0 * SPREAD**2
"""Twice the square of that width."""
PEAK = (1.0 + SIDE) - 2.0 * SIDE / SPREAD * math.exp(-1.0 / SQUARES)
"""Value of the sum of the three Gaussians at the threshold."""


def triangle(x: Tensor) -> Tensor:
    """max(0, 1 - |x|). Source: the authors' model.py, height 0.3 and width 1 (after BNTT's code); Bellec et al., "Long
    short-term memory and learning-to-learn in networks of spiking neurons" (NeurIPS 2018)."""
    return x.abs().neg_().add_(1.0).clamp_min_(0.0)


def rectangle(x: Tensor) -> Tensor:
    """1 where |x| < 1/2. Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural
    networks" (2018), equation 24: width a, height 1/a."""
    return (x.abs() < 0.5).to(x.dtype)


def sigmoid(x: Tensor) -> Tensor:
    """4 s (1 - s) of the logistic function s(x). Wu et al. 2018, equation 26: width a, height 1/(4 a)."""
    fraction = torch.sigmoid(x)
    return 4.0 * fraction * (1.0 - fraction)


def arctangent(x: Tensor) -> Tensor:
    """1 / (1 + x^2). Fang et al., "Incorporating learnable membrane time constant to enhance learning of spiking neural
    networks" (ICCV 2021): width 2/(pi a), height a/2 with a = 2."""
    return 1.0 / (1.0 + x.square())


def fast_sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + |x|)^2. Zenke & Ganguli, "SuperSpike" (2018): width 1/beta."""
    return 1.0 / (1.0 + x.abs()).square()


def multi_gaussian(x: Tensor) -> Tensor:
    """A Gaussian minus two wider ones beside it, so negative far from the threshold.

    Yin et al., "Accurate and efficient time-domain classification with adaptive spiking recurrent neural networks"
    (2021): width sigma = 0.5.
    """
    wide = torch.exp(-(x - 1.0).square() / SQUARES) + torch.exp(-(x + 1.0).square() / SQUARES)
    return ((1.0 + SIDE) * torch.exp(-x.square() / 2.0) - SIDE / SPREAD * wide) / PEAK


SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "triangle": triangle,
    "rectangle": rectangle,
    "sigmoid": sigmoid,
    "arctangent": arctangent,
    "fast-sigmoid": fast_sigmoid,
    "multi-gaussian": multi_gaussian,
}
"""By the name in `surrogate` of a NetworkConfig."""


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """One surrogate derivative."""

    shape: str
    """A key of SHAPES."""
    height: float
    width: float

    def __call__(self, excess: Tensor) -> Tensor:
        """The derivative at `excess`, z = v / threshold - 1, with the same tensor shape."""
        return SHAPES[self.shape](excess / self.width) * self.height


AUTHORS = Surrogate(shape="triangle", height=0.3, width=1.0)
"""Source: the authors' model.py."""
