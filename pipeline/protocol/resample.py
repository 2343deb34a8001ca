"""Moves pixels within their samples. Shapes: B samples, H height, W width."""

import torch
from torch import Tensor

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32}
"""torch computes little with unsigned types of more than 8 bits."""


def resample(pixels: Tensor, rows: Tensor, columns: Tensor, inside: Tensor) -> Tensor:
    """Unsigned integers (B, ..., H, W), each from a row and a column of its sample, or 0 where `inside` is false.

    `rows`, `columns` (int64) and `inside` (bool) are broadcast to (B, H, W). Rows and columns that do not exist wrap.
    Integers are moved and not computed with, so every device gives the same bits.
    """
    height, width = pixels.shape[-2:]
    values = pixels.view(_SIGNED.get(pixels.dtype, pixels.dtype)).flatten(1, -3).flatten(2)
    places = (rows % height * width + columns % width).view(len(pixels), 1, -1)
    taken = values.gather(2, places.expand_as(values)) * inside.expand(-1, height, width).reshape(places.shape)
    return taken.view(pixels.dtype).view(pixels.shape)
