"""The kernels of reference.py as loops compiled by numba; cpu.py calls them.

A block of values passes through all time steps while its membranes stay in the cache. The innermost loops run over
tiles: a few pixels with all their channels, for which scale and shift are repeated. Loops over the channels of a single
pixel would be so short that their overhead exceeds their work. Sums within a block use the type of the statistics; sums
over blocks use float64 in a fixed order, so results do not depend on the number of threads. bfloat16 is read and
written as 16-bit integers, because numba has no bfloat16.
Shapes: T time steps, S stored steps (T or 1), P pixels of all samples, C channels, N = P C values, K blocks, L values
of a tile.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import overload, register_jitable

from ..surrogate import PEAK, SHAPES, SIDE, SPREAD, SQUARES
from .compiled import cached_by_code, threads_compute_at_once

SURROGATES = tuple(SHAPES)
TRIANGLE, _RECTANGLE, _SIGMOID, _ARCTANGENT, _FAST_SIGMOID = (
    SURROGATES.index(name) for name in ("triangle", "rectangle", "sigmoid", "arctangent", "fast-sigmoid")
)


def parallel_kernel(kernel: Callable[..., None]) -> Any:
    """The kernel as a numba function, compiled at its first call."""
    with cached_by_code():
        return njit(parallel=True, nogil=threads_compute_at_once(), cache=True, error_model="numpy")(kernel)


def widen(value: Any) -> Any:
    """A stored value in the type of the statistics."""
    raise NotImplementedError("compiled only")


@overload(widen, strict=False)
def _widen(value: Any) -> Any:
    if value == types.uint16:
        return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)
    return lambda value: value


def put(array: Any, i: int, value: Any) -> None:
    """Stores a number; rounds to bfloat16 to nearest, ties to even."""
    raise NotImplementedError("compiled only")


@overload(put, strict=False)
def _put(array: Any, i: int, value: Any) -> Any:
    if array.dtype == types.uint16:

        def rounded(array: Any, i: int, value: Any) -> None:
            bits = np.float32(value).view(np.uint32)
            array[i] = np.uint32(bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)

        return rounded

    def plain(array: Any, i: int, value: Any) -> None:
        array[i] = value

    return plain


@register_jitable
def tile_values(values: Any, t: int, start: int, count: int) -> Any:
    """Values of a tile, as a slice indexed from 0, so that the compiler vectorizes loops over it."""
    return values[t, start : start + count]


@register_jitable
def repeated(values: Any, pixels: int) -> Any:
    """Per-channel values (T, C), repeated for each pixel of a tile (T, L)."""
    steps, channels = values.shape
    tiles = np.empty((steps, pixels * channels), values.dtype)
    for t in range(steps):
        for pixel in range(pixels):
            for c in range(channels):
                tiles[t, pixel * channels + c] = values[t, c]
    return tiles


@register_jitable
def store(tile: Any, values: Any) -> None:
    for i in range(len(tile)):
        put(tile, i, values[i])


@register_jitable
def fold(lanes: Any, sums: Any) -> None:
    """Adds the values of a tile to the sums of their channels (C,)."""
    for pixel in range(len(lanes) // len(sums)):
        for c in range(len(sums)):
            sums[c] += lanes[pixel * len(sums) + c]


@register_jitable
def advance(membrane: Any, leak: Any, currents: Any, scale: Any, shift: Any) -> None:
    """leak * membrane + currents * scale + shift, in place, for the values of a tile."""
    for i in range(len(membrane)):
        membrane[i] = leak * membrane[i] + (widen(currents[i]) * scale[i] + shift[i])


@parallel_kernel
def moments(currents: Any, origin: Any, pixels: int, tiles: int, sums: Any, squares: Any) -> None:
    """Sums (S, K, C) of values and squares, relative to the first pixel's, `origin` (S, C), to limit rounding
    errors."""
    steps, blocks, _ = sums.shape
    origins = repeated(origin, pixels)
    size, length = currents.shape[1], origins.shape[1]
    for job in prange(steps * blocks):
        step, block = job // blocks, job % blocks
        total, square = np.zeros(length, origin.dtype), np.zeros(length, origin.dtype)
        for at in range(block * tiles * length, min(size, (block + 1) * tiles * length), length):
            tile, zero = tile_values(currents, step, at, min(length, size - at)), origins[step]
            for i in range(len(tile)):
                value = widen(tile[i]) - zero[i]
                total[i] += value
                square[i] += value * value
        fold(total, sums[step, block])
        fold(square, squares[step, block])


@register_jitable
def spike(membrane: Any, threshold: Any, value: Any) -> None:
    """Writes the spikes of a tile's neurons into `value` and resets; without neurons, writes the membrane itself."""
    nothing = threshold - threshold
    for i in range(len(membrane)):
        spiked = threshold if membrane[i] > threshold else nothing
        value[i] = spiked if threshold > nothing else membrane[i]
        membrane[i] -= spiked if threshold > nothing else nothing


@register_jitable
def add(value: Any, skip: Any) -> None:
    for i in range(len(skip)):
        value[i] += widen(skip[i])


@parallel_kernel
def fire(
    currents: Any,
    scale: Any,
    shift: Any,
    skip: Any,
    leak: Any,
    threshold: Any,
    pixels: int,
    tiles: int,
    output: Any,
) -> None:
    """A threshold of 0 means no neurons; a skip with no steps means no skip."""
    steps, size = output.shape
    scales, shifts = repeated(scale, pixels), repeated(shift, pixels)
    length, block = scales.shape[1], tiles * scales.shape[1]
    same, joined = currents.shape[0] == 1, skip.shape[0] > 0
    for job in prange((size + block - 1) // block):
        first = job * block
        count = min(block, size - first)
        membrane, value = np.zeros(count, scale.dtype), np.empty(length, scale.dtype)
        for t in range(steps):
            for tile in range(0, count, length):
                of_tile = membrane[tile : min(count, tile + length)]
                at, values = first + tile, len(of_tile)
                advance(of_tile, leak, tile_values(currents, 0 if same else t, at, values), scales[t], shifts[t])
                spike(of_tile, threshold, value)
                if joined:
                    add(value, tile_values(skip, t, at, values))
                store(tile_values(output, t, at, values), value)


@register_jitable
def curved(x: Any, shape: Any) -> Any:
    """A surrogate's shape, except for the triangle; the last case is multi-gaussian."""
    if shape == _RECTANGLE:
        return 1.0 if abs(x) < 0.5 else 0.0
    if shape == _SIGMOID:
        part = math.exp(-abs(x))
        return 4.0 * part / ((1.0 + part) * (1.0 + part))
    if shape == _ARCTANGENT:
        return 1.0 / (1.0 + x * x)
    if shape == _FAST_SIGMOID:
        return 1.0 / ((1.0 + abs(x)) * (1.0 + abs(x)))
    wide = math.exp(-(x - 1.0) * (x - 1.0) / SQUARES) + math.exp(-(x + 1.0) * (x + 1.0) / SQUARES)
    return ((1.0 + SIDE) * math.exp(-x * x / 2.0) - SIDE / SPREAD * wide) / PEAK


@register_jitable
def curved_slopes(membrane: Any, threshold: Any, shape: Any, height: Any, narrow: Any, slope: Any) -> None:
    """As `slopes`, for the shapes of `curved`."""
    for i in range(len(membrane)):
        slope[i] = height * curved((membrane[i] / threshold - 1.0) * narrow, shape)
        membrane[i] -= threshold if membrane[i] > threshold else threshold - threshold


@register_jitable
def slopes(membrane: Any, threshold: Any, height: Any, narrow: Any, slope: Any) -> None:
    """Triangle surrogate at the membranes of a tile, and the reset. Without neurons the slope is `height`."""
    nothing = threshold - threshold
    for i in range(len(membrane)):
        excess = membrane[i] - threshold
        under = threshold - abs(excess) * narrow
        part = max(nothing, under)
        slope[i] = height * part if threshold > nothing else height
        membrane[i] = excess if excess > nothing else membrane[i]


@register_jitable
def carry(carried: Any, leak: Any, slope: Any, grad: Any, sums: Any) -> None:
    """Gradient of a tile's membranes at a step from that of the following step, in place; also added to `sums`."""
    for i in range(len(carried)):
        value = leak * carried[i] + slope[i] * widen(grad[i])
        carried[i] = value
        sums[i] += value


@register_jitable
def multiply(carried: Any, currents: Any, mean: Any, products: Any) -> None:
    for i in range(len(carried)):
        products[i] += carried[i] * (widen(currents[i]) - mean[i])


@parallel_kernel
def fire_backward(
    grad: Any,
    currents: Any,
    scale: Any,
    shift: Any,
    mean: Any,
    leak: Any,
    threshold: Any,
    shape: int,
    height: Any,
    narrow: Any,
    pixels: int,
    tiles: int,
    driven: Any,
    total: Any,
    centred: Any,
) -> None:
    """Adds the sums of each block to `total` and `centred` (K, T, C), which start as zeros."""
    steps, size = driven.shape
    scales, shifts, means = repeated(scale, pixels), repeated(shift, pixels), repeated(mean, pixels)
    length, block = scales.shape[1], tiles * scales.shape[1]
    same = currents.shape[0] == 1
    for job in prange(total.shape[0]):
        first = job * block
        count = min(block, size - first)
        slope, membrane = np.empty((steps, count), scale.dtype), np.zeros(count, scale.dtype)
        for t in range(steps):
            for tile in range(0, count, length):
                of_tile = membrane[tile : min(count, tile + length)]
                given = tile_values(currents, 0 if same else t, first + tile, len(of_tile))
                advance(of_tile, leak, given, scales[t], shifts[t])
                to = tile_values(slope, t, tile, len(of_tile))
                if shape == TRIANGLE:
                    slopes(of_tile, threshold, height, narrow, to)
                else:
                    curved_slopes(of_tile, threshold, shape, height, narrow, to)
        carried = np.zeros(count, scale.dtype)
        for t in range(steps - 1, -1, -1):
            sums, products = np.zeros(length, scale.dtype), np.zeros(length, scale.dtype)
            for tile in range(0, count, length):
                of_tile = carried[tile : min(count, tile + length)]
                at, values = first + tile, len(of_tile)
                carry(of_tile, leak, tile_values(slope, t, tile, values), tile_values(grad, t, at, values), sums)
                multiply(of_tile, tile_values(currents, 0 if same else t, at, values), means[t], products)
                store(tile_values(driven, t, at, values), of_tile)
            fold(sums, total[job, t])
            fold(products, centred[job, t])


@register_jitable
def weigh(driven: Any, currents: Any, a: Any, b: Any, c: Any, value: Any) -> None:
    for i in range(len(driven)):
        value[i] += a[i] * widen(driven[i]) + (b[i] * widen(currents[i]) + c[i])


@parallel_kernel
def combine(driven: Any, currents: Any, a: Any, b: Any, c: Any, pixels: int, tiles: int, output: Any) -> None:
    """Each stored step gets the sum over the time steps that it represents, in order."""
    steps, size = driven.shape
    weights, factors, offsets = repeated(a, pixels), repeated(b, pixels), repeated(c, pixels)
    length = weights.shape[1]
    stored, block, stands_for = output.shape[0], tiles * length, steps // output.shape[0]
    blocks = (size + block - 1) // block
    for job in prange(stored * blocks):
        s, first = job // blocks, job % blocks * block
        value = np.empty(length, a.dtype)
        for at in range(first, min(size, first + block), length):
            count = min(length, size - at)
            value[:] = a[0, 0] - a[0, 0]
            for t in range(s * stands_for, (s + 1) * stands_for):
                own = tile_values(currents, s, at, count)
                weigh(tile_values(driven, t, at, count), own, weights[t], factors[t], offsets[t], value)
            store(tile_values(output, s, at, count), value)
