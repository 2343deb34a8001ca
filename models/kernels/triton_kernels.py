"""The kernels of reference.py in Triton; cuda.py launches them.

A program takes a tile of pixels and channels through all time steps and keeps its membranes in registers. Sums within a
tile use the type of the statistics; sums over tiles use float64 in a fixed order, without atomics, so they are
deterministic. Multiplications and additions are not fused (no FMA): backward recomputes exactly the membranes of
forward, and spikes equal the reference's (docs/gpu.md names the GPU where this was checked).
Shapes: T time steps, S stored steps (T or 1), P pixels of all samples, C channels, K blocks.
"""

import triton  # type: ignore[import-untyped,import-not-found,unused-ignore] # comes with torch for CUDA only
import triton.language as tl  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ..surrogate import PEAK, SHAPES, SIDE, SPREAD, SQUARES

SURROGATES = tuple(SHAPES)
_RECTANGLE, _SIGMOID, _ARCTANGENT, _FAST_SIGMOID = (
    tl.constexpr(SURROGATES.index(name)) for name in ("rectangle", "sigmoid", "arctangent", "fast-sigmoid")
)
_TRIANGLE = tl.constexpr(SURROGATES.index("triangle"))
_SIDE, _AT_SIDE, _SQUARES, _PEAK = (tl.constexpr(value) for value in (SIDE, SIDE / SPREAD, SQUARES, PEAK))


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _channels(columns: tl.constexpr) -> tl.tensor:
    """Channel indices of this program's tiles."""
    return tl.program_id(1) * columns + tl.arange(0, columns)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _tile(block: tl.tensor, column: tl.tensor, pixels: tl.tensor, channels: tl.tensor, rows: tl.constexpr) -> tl.tuple:
    """Offsets within a time step, and the mask of those that exist, each (rows, columns)."""
    row = block.to(tl.int64) * rows + tl.arange(0, rows)
    inside = (row < pixels)[:, None] & (column < channels)[None, :]
    return row[:, None] * channels + column[None, :], inside


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _of_channels(values: tl.tensor, column: tl.tensor, channels: tl.tensor) -> tl.tensor:
    """Per-channel values of a tile, (1, columns)."""
    return tl.load(values + column, mask=column < channels, other=0.0)[None, :]


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def moments(
    currents: tl.tensor,
    sums: tl.tensor,
    squares: tl.tensor,
    parts: tl.constexpr,
    pixels: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Sums (S, K, C) of values and squares relative to the first pixel's value, to reduce rounding errors."""
    block, step = tl.program_id(0), tl.program_id(2).to(tl.int64)
    currents += step * size
    column = _channels(columns)
    origin = _of_channels(currents, column, channels).to(sums.dtype.element_ty)
    total = tl.zeros((rows, columns), sums.dtype.element_ty)
    square = tl.zeros((rows, columns), sums.dtype.element_ty)
    for part in range(parts):
        at, inside = _tile(block * parts + part, column, pixels, channels, rows)
        value = tl.load(currents + at, mask=inside, other=0.0).to(sums.dtype.element_ty)
        value = tl.where(inside, value - origin, 0.0)
        total += value
        square += value * value
    to = (step * tl.num_programs(0) + block) * channels + column
    tl.store(sums + to, tl.sum(total, 0), mask=column < channels)
    tl.store(squares + to, tl.sum(square, 0), mask=column < channels)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _advance(
    membrane: tl.tensor,
    currents: tl.tensor,
    at: tl.tensor,
    inside: tl.tensor,
    gain: tl.tensor,
    offset: tl.tensor,
    leak: tl.constexpr,
) -> tl.tensor:
    """leak * membrane + currents * gain + offset; without neurons, currents * gain + offset."""
    value = tl.load(currents + at, mask=inside, other=0.0).to(membrane.dtype) * gain + offset
    if leak is not None:
        value = leak * membrane + value
    return value


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def fire(
    currents: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    skip: tl.tensor,
    output: tl.tensor,
    steps: tl.tensor,
    pixels: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    stride: tl.tensor,
    leak: tl.constexpr,
    threshold: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """At each time step, pointers advance by `size` values, those of the currents by `stride`."""
    column = _channels(columns)
    at, inside = _tile(tl.program_id(0), column, pixels, channels, rows)
    membrane = tl.zeros((rows, columns), scale.dtype.element_ty)
    for _ in range(steps):
        gain, offset = _of_channels(scale, column, channels), _of_channels(shift, column, channels)
        membrane = _advance(membrane, currents, at, inside, gain, offset, leak)
        value = membrane
        if leak is not None:
            value = (membrane > threshold).to(membrane.dtype)
            membrane -= threshold * value
        if skip is not None:
            value += tl.load(skip + at, mask=inside, other=0.0).to(membrane.dtype)
            skip += size
        tl.store(output + at, value, mask=inside)
        currents += stride
        scale += channels
        shift += channels
        output += size


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _shape(x: tl.tensor, shape: tl.constexpr) -> tl.tensor:
    """The surrogate's shape; the last case is multi-gaussian."""
    if shape == _TRIANGLE:
        slope = 1.0 - tl.abs(x)
        return tl.where(slope > 0, slope, 0.0)
    if shape == _RECTANGLE:
        return tl.where(tl.abs(x) < 0.5, 1.0, 0.0).to(x.dtype)
    if shape == _SIGMOID:
        part = tl.exp(-tl.abs(x))
        return 4.0 * part / ((1.0 + part) * (1.0 + part))
    if shape == _ARCTANGENT:
        return 1.0 / (1.0 + x * x)
    if shape == _FAST_SIGMOID:
        return 1.0 / ((1.0 + tl.abs(x)) * (1.0 + tl.abs(x)))
    wide = tl.exp(-(x - 1.0) * (x - 1.0) / _SQUARES) + tl.exp(-(x + 1.0) * (x + 1.0) / _SQUARES)
    return ((1.0 + _SIDE) * tl.exp(-x * x / 2.0) - _AT_SIDE * wide) / _PEAK


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _before_reset(
    membrane: tl.tensor,
    currents: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    at: tl.tensor,
    inside: tl.tensor,
    column: tl.tensor,
    channels: tl.tensor,
    step: tl.tensor,
    steps: tl.tensor,
    stride: tl.tensor,
    leak: tl.constexpr,
) -> tl.tensor:
    """Membranes of a time step, before the reset; of a step that does not exist without a current."""
    some = tl.where(step < steps, channels, 0)
    gain = _of_channels(scale + step * channels, column, some)
    offset = _of_channels(shift + step * channels, column, some)
    return _advance(membrane, currents + step * stride, at, inside & (step < steps), gain, offset, leak)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _int64(number: tl.tensor) -> tl.tensor:
    """A number as int64 of shape (1,): the interpreter takes no scalar in a mask, and 1 is a constant."""
    return tl.zeros((1,), tl.int64) + number


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _reset(membrane: tl.tensor, threshold: tl.constexpr) -> tl.tensor:
    return membrane - threshold * (membrane > threshold).to(membrane.dtype)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _slopes(
    membrane: tl.tensor,
    currents: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    at: tl.tensor,
    inside: tl.tensor,
    column: tl.tensor,
    channels: tl.tensor,
    first: tl.tensor,
    steps: tl.tensor,
    stride: tl.tensor,
    leak: tl.constexpr,
    threshold: tl.constexpr,
    shape: tl.constexpr,
    height: tl.constexpr,
    narrow: tl.constexpr,
    length: tl.constexpr,
) -> tl.tuple:
    """Slopes of the time steps of a piece, from the membranes before it; they stay in registers."""
    slopes = ()
    for t in tl.static_range(length):
        membrane = _before_reset(
            membrane, currents, scale, shift, at, inside, column, channels, first + t, steps, stride, leak
        )
        slope = _shape((membrane / threshold - 1.0) * narrow, shape)
        # Triton compiles no other form of this.
        slopes = slopes + (slope * height / threshold,)  # type: ignore[assignment] # noqa: RUF005
        membrane = _reset(membrane, threshold)
    return slopes


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def fire_backward(
    grad: tl.tensor,
    currents: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    mean: tl.tensor,
    starts: tl.tensor,
    driven: tl.tensor,
    total: tl.tensor,
    centred: tl.tensor,
    steps: tl.tensor,
    pieces: tl.tensor,
    pixels: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    stride: tl.tensor,
    leak: tl.constexpr,
    threshold: tl.constexpr,
    shape: tl.constexpr,
    height: tl.constexpr,
    narrow: tl.constexpr,
    length: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """`total` and `centred` (K, T, C) get the sums of each block.

    Goes back through pieces of `length` time steps, whose membranes are computed a second time. The last piece may have
    steps that do not exist. `starts` (pieces - 1, P, C) is scratch memory: membranes before each piece but the first.
    """
    column = _channels(columns)
    at, inside = _tile(tl.program_id(0), column, pixels, channels, rows)
    if leak is not None:
        membrane = tl.zeros((rows, columns), scale.dtype.element_ty)
        for piece in range(1, pieces):
            for t in tl.static_range(length):
                step = _int64(piece * length - length + t)
                membrane = _before_reset(
                    membrane, currents, scale, shift, at, inside, column, channels, step, steps, stride, leak
                )
                membrane = _reset(membrane, threshold)
            tl.store(starts + _int64(piece - 1) * size + at, membrane, mask=inside)
        tl.debug_barrier()  # a membrane may be read by another thread than the one that stored it
    carried = tl.zeros((rows, columns), scale.dtype.element_ty)
    for piece in range(pieces - 1, -1, -1):
        first = _int64(piece * length)
        if leak is not None:
            before = _int64(piece - 1)
            start = tl.load(starts + before * size + at, mask=inside & (before >= 0), other=0.0)
            slopes = _slopes(
                start,
                currents,
                scale,
                shift,
                at,
                inside,
                column,
                channels,
                first,
                steps,
                stride,
                leak,
                threshold,
                shape,
                height,
                narrow,
                length,
            )
        for t in tl.static_range(length - 1, -1, -1):
            step = first + t
            here = inside & (step < steps)
            received = tl.load(grad + step * size + at, mask=here, other=0.0).to(carried.dtype)
            carried = leak * carried + received * slopes[t] if leak is not None else received
            tl.store(driven + step * size + at, carried, mask=here)
            value = tl.load(currents + step * stride + at, mask=here, other=0.0).to(carried.dtype)
            some = tl.where(step < steps, channels, 0)
            distance = value - _of_channels(mean + step * channels, column, some)
            to = (tl.program_id(0).to(tl.int64) * steps + step) * channels + column
            tl.store(total + to, tl.sum(carried, 0), mask=column < some)
            tl.store(centred + to, tl.sum(carried * distance, 0), mask=column < some)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def combine(
    driven: tl.tensor,
    currents: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    c: tl.tensor,
    output: tl.tensor,
    stored: tl.tensor,
    stands_for: tl.tensor,
    pixels: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Each stored step gets the sum over the time steps that it represents, in order."""
    column = _channels(columns)
    at, inside = _tile(tl.program_id(0), column, pixels, channels, rows)
    for _step in range(stored):
        value = tl.load(currents + at, mask=inside, other=0.0).to(a.dtype.element_ty)
        combined = tl.zeros((rows, columns), a.dtype.element_ty)
        for _part in range(stands_for):
            given = tl.load(driven + at, mask=inside, other=0.0).to(a.dtype.element_ty)
            added = _of_channels(b, column, channels) * value + _of_channels(c, column, channels)
            combined += _of_channels(a, column, channels) * given + added
            driven += size
            a += channels
            b += channels
            c += channels
        tl.store(output + at, combined, mask=inside)
        currents += size
        output += size
