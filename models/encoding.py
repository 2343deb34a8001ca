"""Encodings of images (B, C, H, W) as input over time, by name.

An encoding returns (S, B, C, H, W): S is T, or 1 if all time steps are the same and only one is stored.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

RESCALE = 2.0  # authors' model.py, poisson_gen
"""A value of this size or more spikes at every step of `poisson`."""


def direct(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """The image itself at every time step, stored once. Source: the authors' model.py."""
    return images.unsqueeze(0)


def poisson(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """Signed spikes: sign(x) with probability min(1, |x| / 2), drawn at each step. Source: authors' poisson_gen."""
    drawn = torch.rand((time_steps, *images.shape), generator=generator, device=images.device, dtype=images.dtype)
    return (drawn * RESCALE <= images.abs()).to(images.dtype) * images.sign()


def latency(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """One signed spike per pixel at step round((1 - min(1, |x| / 2)) (T - 1)): earlier for larger |x|, none for x = 0.

    Time-to-first-spike coding of Thorpe et al., "Spike-based strategies for rapid processing" (2001), with the sign and
    the range of the authors' Poisson spikes.
    """
    last = time_steps - 1
    at = ((1.0 - (images.abs() / RESCALE).clamp_max(1.0)) * last).round()
    steps = torch.arange(time_steps, dtype=images.dtype, device=images.device).view(-1, *[1] * images.dim())
    return (at == steps).to(images.dtype) * images.sign()


ENCODINGS: dict[str, Callable[[Tensor, int, Generator | None], Tensor]] = {
    "direct": direct,
    "poisson": poisson,
    "latency": latency,
}
"""By the name in `encoding` of a NetworkConfig."""
