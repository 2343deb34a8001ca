"""The kernels of reference.py on the CPU: tensors as arrays, their tiles and blocks, and the call.

Shapes: T time steps, S stored steps (T or 1), P pixels of all samples, C channels, N = P C values, K blocks.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..neuron import THRESHOLD
from ..surrogate import Surrogate
from . import numba_kernels as kernels
from .compile_lock import compile_lock
from .compiled import set_threads
from .reference import statistics_type

SURROGATES = kernels.SURROGATES
TILE = 512
"""Maximum number of values in a tile; a pixel with more channels is a tile by itself."""
BLOCK = 32
"""Tiles per block. With smaller blocks, all that backward recomputes would fit in a core's L2 cache, but they are
slower: each time step reads memory in pieces of one block, and pieces of 64 kB are long enough to stream."""

_LAUNCHED: set[tuple[Callable[..., None], Any]] = set()


def _launch(kernel: Callable[..., None], *given: Any) -> None:
    """Calls a kernel with torch's number of threads.

    The first call compiles it or loads it from numba's cache. A lock lets one process of a user compile, so that the
    others load.
    """
    threads = torch.get_num_threads()
    set_threads(threads)
    if (kernel, given[0].dtype) in _LAUNCHED:
        return kernel(*given)
    with compile_lock():
        kernel(*given)
    torch.set_num_threads(threads)  # the first kernel starts numba's threads, which changes OpenMP's number of threads
    _LAUNCHED.add((kernel, given[0].dtype))
    return None


def array(values: Tensor) -> npt.NDArray[Any]:
    """A CPU tensor as an array that shares its memory; bfloat16 as uint16."""
    values = (
        values.detach() if values.requires_grad else values
    ).contiguous()  # detaching costs as much as a kernel's call
    return values.view(torch.uint16).numpy() if values.dtype == torch.bfloat16 else values.numpy()


def number(currents: Tensor) -> type[np.floating[Any]]:
    """The numpy type of the statistics."""
    return np.float64 if statistics_type(currents.dtype) == torch.float64 else np.float32


def neuron(currents: Tensor, leak: float | None) -> tuple[np.floating[Any], np.floating[Any]]:
    """Leak and threshold; both 0 without neurons."""
    return number(currents)(leak or 0.0), number(currents)(0.0 if leak is None else THRESHOLD)


def derivative(
    currents: Tensor, leak: float | None, surrogate: Surrogate
) -> tuple[int, np.floating[Any], np.floating[Any]]:
    """Shape, height and 1 / width of the surrogate; without neurons, values that give slope 1."""
    if leak is None:
        return kernels.TRIANGLE, number(currents)(1.0), number(currents)(1.0)
    form = number(currents)
    return SURROGATES.index(surrogate.shape), form(surrogate.height), form(1.0 / surrogate.width)


def _flat(values: Tensor) -> npt.NDArray[Any]:
    """(T, P, C) as (T, N)."""
    memory = array(values)
    return memory.reshape(len(memory), math.prod(memory.shape[1:]))


def tile_and_block(channels: int) -> tuple[int, int]:
    """Pixels of a tile, and tiles of a block."""
    return max(1, TILE // channels), BLOCK


def _blocks(currents: Tensor) -> int:
    """K, the number of blocks of (S, P, C)."""
    pixels, tiles = tile_and_block(currents.shape[2])
    return -(-currents.shape[1] // (pixels * tiles))


def moments(currents: Tensor) -> tuple[Tensor, Tensor]:
    """As reference.moments."""
    steps, pixels, channels = currents.shape
    origin = array(currents[:, 0].to(statistics_type(currents.dtype)))
    sums = np.zeros((steps, _blocks(currents), channels), origin.dtype)
    squares = np.zeros_like(sums)
    _launch(kernels.moments, _flat(currents), origin, *tile_and_block(channels), sums, squares)
    total, square = sums.sum(1, dtype=np.float64), squares.sum(1, dtype=np.float64)
    mean = origin.astype(np.float64) + total / pixels
    deviations = np.maximum(square - total**2 / pixels, 0.0)
    return torch.from_numpy(mean.astype(sums.dtype)), torch.from_numpy(deviations.astype(sums.dtype))


def fire(currents: Tensor, scale: Tensor, shift: Tensor, skip: Tensor | None, leak: float | None) -> Tensor:
    """As reference.fire."""
    output = currents.new_empty(len(scale), *currents.shape[1:])
    joined = _flat(currents.new_empty(0, 0, 0) if skip is None else skip)
    given = (_flat(currents), array(scale), array(shift), joined, *neuron(currents, leak))
    _launch(kernels.fire, *given, *tile_and_block(scale.shape[1]), _flat(output))
    return output


def fire_backward(
    grad: Tensor, currents: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, leak: float | None, surrogate: Surrogate
) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.fire_backward."""
    driven = torch.empty_like(grad)
    total = np.zeros((_blocks(grad), *scale.shape), number(currents))
    centred = np.zeros_like(total)
    given = (_flat(grad), _flat(currents), array(scale), array(shift), array(mean), *neuron(currents, leak))
    form = (*derivative(currents, leak, surrogate), *tile_and_block(scale.shape[1]))
    _launch(kernels.fire_backward, *given, *form, _flat(driven), total, centred)
    sums, products = (torch.from_numpy(part.sum(0, dtype=np.float64).astype(part.dtype)) for part in (total, centred))
    return driven, sums, products


def combine(driven: Tensor, currents: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """As reference.combine."""
    output = driven if len(driven) == len(currents) else currents.new_empty(currents.shape)
    given = (_flat(driven), _flat(currents), array(a), array(b), array(c), *tile_and_block(a.shape[1]))
    _launch(kernels.combine, *given, _flat(output))
    return output
