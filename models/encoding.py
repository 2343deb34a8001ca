"""Images (B, C, H, W) as the input of every time step (B, T, C, H, W), by name."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

RESCALE = 2.0  # authors' model.py, poisson_gen


def direct(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """The image itself at every step; a view without a copy. Source: the authors' model.py."""
    return images.unsqueeze(1).expand(-1, time_steps, -1, -1, -1)


def poisson(images: Tensor, time_steps: int, generator: Generator | None) -> Tensor:
    """Signed spikes: sign(x) with probability min(1, |x| / 2), anew each step. Source: authors' poisson_gen."""
    shape = (images.shape[0], time_steps, *images.shape[1:])
    drawn = torch.rand(shape, generator=generator, device=images.device, dtype=images.dtype)
    shown = images.unsqueeze(1)
    return (drawn * RESCALE <= shown.abs()).to(images.dtype) * shown.sign()


ENCODINGS: dict[str, Callable[[Tensor, int, Generator | None], Tensor]] = {"direct": direct, "poisson": poisson}
