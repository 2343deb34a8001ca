"""The kernels of reference.py on a GPU: their tiles, grids and launches.

Shapes: T time steps, S stored steps (T or 1), P pixels of all samples, C channels, K blocks.
"""

import contextlib
import os
import shutil
from typing import Any

import torch
import triton  # type: ignore[import-untyped,import-not-found,unused-ignore] # comes with torch for CUDA only
from torch import Tensor

from ..neuron import THRESHOLD
from ..surrogate import Surrogate
from . import triton_kernels as kernels
from .compile_lock import compile_lock
from .reference import statistics_type

if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or triton.knobs.runtime.interpret):
    raise ImportError("Triton needs a C compiler to launch kernels; install gcc or clang, or set CC")

SURROGATES = kernels.SURROGATES
_LAUNCHED: set[Any] = set()
"""Kernels that this process has compiled or loaded, with type and channels; the first launch of each takes the lock."""
COLUMNS = 64
"""Maximum channels of a tile: in bfloat16, a row is one cache line of 128 bytes."""
VALUES = (512, 2048)
"""Minimum and maximum values of a tile: 4 to 16 per thread."""
WARPS = 4
PROGRAMS = 512
"""Minimum number of programs, about four per multiprocessor of an H100; tiles shrink to reach it."""
PIECE = 5
"""Most time steps whose slopes `fire_backward` keeps in registers: at most 16 values a thread and step."""
PARTS = 8
"""Tiles that one program of `moments` sums."""


def tile(currents: Tensor) -> dict[str, int]:
    """Rows (pixels) and columns (channels) of a tile, powers of two, for (S, P, C)."""
    _, pixels, channels = currents.shape
    columns = min(COLUMNS, triton.next_power_of_2(channels))
    values = VALUES[1]
    while values > VALUES[0] and pixels * channels < PROGRAMS * values:
        values //= 2
    return {"rows": values // columns, "columns": columns}


def _blocks(currents: Tensor, parts: int = 1) -> int:
    """K, the number of blocks of `parts` tiles of pixels each."""
    return -(-currents.shape[1] // (parts * tile(currents)["rows"]))


def _launch(kernel: Any, currents: Tensor, *given: Any, parts: int = 1, steps: int = 1, **others: Any) -> None:
    """Runs a kernel with one program per block of pixels, tile of channels and step of `steps`."""
    _, pixels, channels = currents.shape
    grid = (_blocks(currents, parts), -(-channels // tile(currents)["columns"]), steps)
    others |= {"pixels": pixels, "channels": channels, "size": pixels * channels} | tile(currents)
    key = (kernel, currents.dtype, currents.shape[2])
    with torch.cuda.device_of(currents), contextlib.nullcontext() if key in _LAUNCHED else compile_lock():
        kernel[grid](*given, **others, num_warps=WARPS, enable_fp_fusion=False)
    _LAUNCHED.add(key)


def stride(currents: Tensor) -> int:
    """Values between a time step and the next: 0 if one stored step represents all."""
    return currents[0].numel() if len(currents) > 1 else 0


def pieces_of(steps: int) -> tuple[int, int]:
    """Number and length of the pieces of at most PIECE time steps; as few as possible, and as equal."""
    pieces = -(-steps // PIECE)
    return pieces, -(-steps // pieces)


def moments(currents: Tensor) -> tuple[Tensor, Tensor]:
    """As reference.moments."""
    currents, dtype = currents.contiguous(), statistics_type(currents.dtype)
    steps, pixels, channels = currents.shape
    sums = currents.new_empty(steps, _blocks(currents, PARTS), channels, dtype=dtype)
    squares = torch.empty_like(sums)
    _launch(kernels.moments, currents, currents, sums, squares, PARTS, parts=PARTS, steps=steps)
    total, square = sums.sum(1, dtype=torch.float64), squares.sum(1, dtype=torch.float64)
    mean = currents[:, 0].double() + total / pixels
    return mean.to(dtype), (square - total.square() / pixels).clamp_min(0.0).to(dtype)


def fire(currents: Tensor, scale: Tensor, shift: Tensor, skip: Tensor | None, leak: float | None) -> Tensor:
    """As reference.fire."""
    currents, skip = currents.contiguous(), None if skip is None else skip.contiguous()
    output = currents.new_empty(len(scale), *currents.shape[1:])
    given = (currents, scale, shift, skip, output, len(scale))
    _launch(kernels.fire, currents, *given, stride=stride(currents), leak=leak, threshold=THRESHOLD)
    return output


def fire_backward(
    grad: Tensor, currents: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, leak: float | None, surrogate: Surrogate
) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.fire_backward."""
    grad, currents = grad.contiguous(), currents.contiguous()
    pieces, length = pieces_of(len(scale))
    driven = torch.empty_like(grad)
    starts = None if leak is None else grad.new_empty(pieces - 1, *grad.shape[1:], dtype=scale.dtype)
    total = scale.new_empty(_blocks(currents), *scale.shape)
    centred = torch.empty_like(total)
    given = (grad, currents, scale, shift, mean, starts, driven, total, centred, len(scale), pieces)
    form: dict[str, Any] = {"height": surrogate.height, "narrow": 1.0 / surrogate.width}
    form |= {"shape": SURROGATES.index(surrogate.shape), "length": length}
    _launch(kernels.fire_backward, currents, *given, stride=stride(currents), leak=leak, threshold=THRESHOLD, **form)
    sums, products = (part.sum(0, dtype=torch.float64).to(scale.dtype) for part in (total, centred))
    return driven, sums, products


def combine(driven: Tensor, currents: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """As reference.combine; if all steps are stored, the result overwrites `driven`."""
    driven, currents = driven.contiguous(), currents.contiguous()
    output = driven if len(driven) == len(currents) else torch.empty_like(currents)
    _launch(kernels.combine, currents, driven, currents, a, b, c, output, len(currents), len(driven) // len(currents))
    return output
