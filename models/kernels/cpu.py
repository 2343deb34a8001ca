"""The passes of reference.py as compiled loops for the CPU.

A block of pixels goes through all time steps while its membranes stay in the cache. Sums are taken within a block in
the type of the statistics, and over the blocks in float64 and in one order: any number of threads, the same bits.
bfloat16 is read and written as 16-bit integers, which numba knows.
Shapes: T time steps, S stored steps (T or 1), P pixels of all samples, C channels, K blocks.
"""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("NUMBA_THREADING_LAYER_PRIORITY", "omp tbb workqueue")  # omp: torch's own threads

import numba
import numpy as np
import numpy.typing as npt
import torch
from numba import njit, prange, types
from numba.extending import overload, register_jitable
from torch import Tensor

from models.kernels.reference import statistics_type
from models.kernels.turns import one_process
from models.neuron import THRESHOLD
from models.surrogate import HEIGHT

SURROGATES = ("triangle",)
BLOCK = 2048
"""Values of a block at one time step: at T = 50 its membranes fill 400 kB, a part of a core's second cache."""
SUMMED = 128
"""Pixels whose moments are summed in the type of the statistics."""

MOST_THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined] # made when it is read
RAN: set[tuple[Callable[..., None], Any]] = set()
compiled = njit(parallel=True, cache=True, error_model="numpy")


def widen(value: Any) -> Any:
    """A stored value as a number of the statistics' type."""
    raise NotImplementedError("compiled only")


@overload(widen, strict=False)
def _widen(value: Any) -> Any:
    if value == types.uint16:
        return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)
    return lambda value: value


def put(array: Any, t: int, p: int, c: int, value: Any) -> None:
    """Stores a number; in bfloat16 to the nearest, halves to even."""
    raise NotImplementedError("compiled only")


@overload(put, strict=False)
def _put(array: Any, t: int, p: int, c: int, value: Any) -> Any:
    if array.dtype == types.uint16:

        def rounded(array: Any, t: int, p: int, c: int, value: Any) -> None:
            bits = np.float32(value).view(np.uint32)
            array[t, p, c] = np.uint32(
                bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            ) >> np.uint32(16)

        return rounded

    def plain(array: Any, t: int, p: int, c: int, value: Any) -> None:
        array[t, p, c] = value

    return plain


@register_jitable
def advance(membrane: Any, leak: Any, currents: Any, step: int, first: int, scale: Any, shift: Any) -> None:
    """leak * membrane + currents * scale + shift, in place, for the pixels of a block (rows, C)."""
    for row in range(membrane.shape[0]):
        for c in range(membrane.shape[1]):
            membrane[row, c] = leak * membrane[row, c] + (widen(currents[step, first + row, c]) * scale[c] + shift[c])


@compiled
def _moments(currents: Any, sums: Any, squares: Any) -> None:
    """Sums (S, K, C) of values and squares, both from the first pixel's value, which keeps them small."""
    steps, blocks, channels = sums.shape
    pixels = currents.shape[1]
    for job in prange(steps * blocks):
        step, block = job // blocks, job % blocks
        total = np.zeros(channels, sums.dtype)
        square = np.zeros(channels, sums.dtype)
        origin = np.empty(channels, sums.dtype)
        for c in range(channels):
            origin[c] = widen(currents[step, 0, c])
        for p in range(block * SUMMED, min(pixels, (block + 1) * SUMMED)):
            for c in range(channels):
                value = widen(currents[step, p, c]) - origin[c]
                total[c] += value
                square[c] += value * value
        sums[step, block] = total
        squares[step, block] = square


@register_jitable
def spike(membrane: Any, threshold: Any, value: Any) -> None:
    """Spikes of one pixel's neurons (C,) into `value`, and the reset; without neurons the membrane itself."""
    nothing = threshold - threshold
    for c in range(len(value)):
        value[c] = membrane[c]
        if threshold > nothing:
            value[c] = threshold if membrane[c] > threshold else nothing
            membrane[c] -= value[c]


@compiled
def _fire(currents: Any, scale: Any, shift: Any, skip: Any, leak: Any, threshold: Any, rows: int, output: Any) -> None:
    """A threshold of 0 stands for no neurons, a skip of no steps for none."""
    steps, pixels, channels = output.shape
    repeated, joined = currents.shape[0] == 1, skip.shape[0] > 0
    for block in prange((pixels + rows - 1) // rows):
        first = block * rows
        membrane = np.zeros((min(rows, pixels - first), channels), scale.dtype)
        value = np.empty(channels, scale.dtype)
        for t in range(steps):
            advance(membrane, leak, currents, 0 if repeated else t, first, scale[t], shift[t])
            for row in range(membrane.shape[0]):
                spike(membrane[row], threshold, value)
                if joined:
                    for c in range(channels):
                        value[c] += widen(skip[t, first + row, c])
                for c in range(channels):
                    put(output, t, first + row, c, value[c])


@register_jitable
def slopes(membrane: Any, threshold: Any, height: Any, slope: Any) -> None:
    """The triangle at the membranes of a block (rows, C), and the reset. Without neurons the slope is `height`."""
    nothing = threshold - threshold
    for row in range(membrane.shape[0]):
        for c in range(membrane.shape[1]):
            excess = membrane[row, c] - threshold
            under = threshold - abs(excess)
            part = max(nothing, under)
            slope[row, c] = height * part if threshold > nothing else height
            membrane[row, c] = excess if excess > nothing else membrane[row, c]


@register_jitable
def carry(carried: Any, leak: Any, slope: Any, grad: Any, sums: Any) -> None:
    """The gradient of one pixel's neurons (C,) at a step, from the one carried back to it; added to `sums` too."""
    for c in range(len(sums)):
        value = leak * carried[c] + slope[c] * widen(grad[c])
        carried[c] = value
        sums[c] += value


@compiled
def _fire_backward(
    grad: Any,
    currents: Any,
    scale: Any,
    shift: Any,
    mean: Any,
    leak: Any,
    threshold: Any,
    height: Any,
    rows: int,
    driven: Any,
    total: Any,
    centred: Any,
) -> None:
    """`total` and `centred` (K, T, C) are the sums of each block."""
    steps, pixels, channels = driven.shape
    repeated = currents.shape[0] == 1
    for block in prange(total.shape[0]):
        first = block * rows
        count = min(rows, pixels - first)
        slope = np.empty((steps, count, channels), scale.dtype)
        membrane = np.zeros((count, channels), scale.dtype)
        for t in range(steps):
            advance(membrane, leak, currents, 0 if repeated else t, first, scale[t], shift[t])
            slopes(membrane, threshold, height, slope[t])
        carried = np.zeros((count, channels), scale.dtype)
        for t in range(steps - 1, -1, -1):
            sums, products = np.zeros(channels, scale.dtype), np.zeros(channels, scale.dtype)
            for row in range(count):
                carry(carried[row], leak, slope[t, row], grad[t, first + row], sums)
                for c in range(channels):
                    distance = widen(currents[0 if repeated else t, first + row, c]) - mean[t, c]
                    products[c] += carried[row, c] * distance
                for c in range(channels):
                    put(driven, t, first + row, c, carried[row, c])
            total[block, t] = sums
            centred[block, t] = products


@compiled
def _combine(driven: Any, currents: Any, a: Any, b: Any, c: Any, output: Any) -> None:
    """Each stored step gets the sum over the steps that it stands for, in their order."""
    steps, pixels, channels = driven.shape
    stands_for = steps // output.shape[0]
    for p in prange(pixels):
        value = np.empty(channels, a.dtype)
        for s in range(output.shape[0]):
            value[:] = a[0, 0] - a[0, 0]
            for t in range(s * stands_for, (s + 1) * stands_for):
                for k in range(channels):
                    value[k] += a[t, k] * widen(driven[t, p, k]) + (b[t, k] * widen(currents[s, p, k]) + c[t, k])
            for k in range(channels):
                put(output, s, p, k, value[k])


def run(kernel: Callable[..., None], *given: Any) -> None:
    """Calls a kernel with as many threads as torch has.

    Its first call compiles it or loads it from numba's cache. Processes of one user take turns at that, so that one
    compiles and the others load.
    """
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, MOST_THREADS))
    if (kernel, given[0].dtype) in RAN:
        return kernel(*given)
    with one_process():
        kernel(*given)
    torch.set_num_threads(threads)  # numba starts its threads with the first kernel, and tells OpenMP their number
    RAN.add((kernel, given[0].dtype))
    return None


def array(values: Tensor) -> npt.NDArray[Any]:
    """The memory of a tensor on the CPU; bfloat16 as uint16."""
    values = values.detach().contiguous()
    return values.view(torch.uint16).numpy() if values.dtype == torch.bfloat16 else values.numpy()


def number(currents: Tensor) -> type[np.floating[Any]]:
    """The type of the statistics as numpy's."""
    return np.float64 if statistics_type(currents.dtype) == torch.float64 else np.float32


def neuron(currents: Tensor, leak: float | None) -> tuple[np.floating[Any], np.floating[Any]]:
    """Leak and threshold; without neurons, nothing is carried from step to step and nothing is compared."""
    return number(currents)(leak or 0.0), number(currents)(0.0 if leak is None else THRESHOLD)


def rows_of_block(currents: Tensor) -> int:
    return max(1, BLOCK // currents.shape[2])


def moments(currents: Tensor) -> tuple[Tensor, Tensor]:
    """As reference.moments."""
    values = array(currents)
    steps, pixels, channels = values.shape
    dtype = number(currents)
    sums = np.empty((steps, -(-pixels // SUMMED), channels), dtype)
    squares = np.empty_like(sums)
    run(_moments, values, sums, squares)
    total, square = sums.sum(1, dtype=np.float64), squares.sum(1, dtype=np.float64)
    mean = currents[:, 0].double().numpy() + total / pixels
    deviations = np.maximum(square - total**2 / pixels, 0.0)
    return torch.from_numpy(mean.astype(dtype)), torch.from_numpy(deviations.astype(dtype))


def fire(currents: Tensor, scale: Tensor, shift: Tensor, skip: Tensor | None, leak: float | None) -> Tensor:
    """As reference.fire."""
    output = currents.new_empty(len(scale), *currents.shape[1:])
    joined = array(currents.new_empty(0, 0, 0) if skip is None else skip)
    given = (array(currents), array(scale), array(shift), joined, *neuron(currents, leak))
    run(_fire, *given, rows_of_block(currents), array(output))
    return output


def fire_backward(
    grad: Tensor, currents: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, leak: float | None, surrogate: str
) -> tuple[Tensor, Tensor, Tensor]:
    """As reference.fire_backward, for the triangle."""
    assert surrogate in SURROGATES
    driven, rows = torch.empty_like(grad), rows_of_block(currents)
    total = np.empty((-(-grad.shape[1] // rows), *scale.shape), number(currents))
    centred = np.empty_like(total)
    given = (array(grad), array(currents), array(scale), array(shift), array(mean), *neuron(currents, leak))
    run(_fire_backward, *given, number(currents)(1.0 if leak is None else HEIGHT), rows, array(driven), total, centred)
    sums, products = (torch.from_numpy(part.sum(0, dtype=np.float64).astype(part.dtype)) for part in (total, centred))
    return driven, sums, products


def combine(driven: Tensor, currents: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """As reference.combine."""
    output = driven if len(driven) == len(currents) else currents.new_empty(currents.shape)
    run(_combine, *(array(value) for value in (driven, currents, a, b, c, output)))
    return output
