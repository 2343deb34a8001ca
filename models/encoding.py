"""Images (B, C, H, W) as the input of the time steps, by name.

An encoding gives (S, B, C, H, W): S is T, or 1 where one stored step stands for all.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

RESCALE = 2.0  # authors' model.py, poisson_gen


def direct(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """The image itself at every step, stored once. Source: the authors' model.py."""
    return images.unsqueeze(0)


def poisson(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """Signed spikes: sign(x) with probability min(1, |x| / 2), anew each step. Source: authors' poisson_gen."""
    drawn = torch.rand((time_steps, *images.shape), generator=generator, device=images.device, dtype=images.dtype)
    return (drawn * RESCALE <= images.abs()).to(images.dtype) * images.sign()


ENCODINGS: dict[str, Callable[[Tensor, int, Generator | None], Tensor]] = {"direct": direct, "poisson": poisson}
