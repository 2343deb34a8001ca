"""Compares reading and framing with the memory bound: each byte of the file read once, each frame written once."""

import hashlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.event_forms import BUFFER, FRAMINGS, ours
from pipeline.data.store import Row
from pipeline.preprocess.frames import frames_of_bytes

COPIED = 256 << 20  # bytes, far more than any cache
TIMES = 20


def limit(paths: list[Path], rounds: int) -> dict[str, Any]:
    """Microseconds per AEDAT 2.0 recording and for its steps, and the time of the memory bound."""
    copied = bandwidth(rounds)
    contents = [path.read_bytes() for path in paths]
    frames = [ours("aedat2", path).copy() for path in paths]
    moved = statistics.mean(len(content) + pixels.nbytes for content, pixels in zip(contents, frames, strict=True))
    whole = each(lambda i: ours("aedat2", paths[i]), len(paths))
    parts = {
        "file to frames": whole,
        "  reading the file": each(lambda i: paths[i].read_bytes(), len(paths)),
        "  clearing the frames": each(
            lambda i: BUFFER.zeros((len(frames[i]), frames[i][0].size), np.uint8), len(paths)
        ),
        "  counting, and the rest": 0.0,
        "limit: bytes once, frames once": moved / copied * 1e6,
        "beyond: SHA-256 of the file": each(lambda i: hashlib.sha256(contents[i]).digest(), len(paths)),
        "beyond: SHA-256 of the frames": each(lambda i: row(frames[i]).digest(), len(paths)),
    }
    parts["  counting, and the rest"] = whole - parts["  reading the file"] - parts["  clearing the frames"]
    return {
        "microseconds": parts,
        "copied_bytes_a_second": copied,
        "times": whole / parts["limit: bytes once, frames once"],
        "in_memory_microseconds": each(
            lambda i: frames_of_bytes(contents[i], ".aedat", "", FRAMINGS["aedat2"], BUFFER), len(paths)
        ),
    }


def row(pixels: np.ndarray) -> Row:
    return Row(id="a", label=0, pixels=pixels, source_sha256="0" * 64)


def bandwidth(rounds: int) -> float:
    """Bytes per second that one core reads and writes in a copy: twice the copied size."""
    source, target = np.ones(COPIED, np.uint8), np.zeros(COPIED, np.uint8)
    np.copyto(target, source)  # page-faults the target once
    taken = [seconds(lambda: np.copyto(target, source)) for _ in range(rounds)]
    return 2 * COPIED / statistics.median(taken)


def each(action: Callable[[int], object], number: int) -> float:
    """Median microseconds of the action per recording, over `number` recordings."""
    return statistics.median(seconds(lambda i=i: action(i)) for _ in range(TIMES) for i in range(number)) * 1e6  # type: ignore[misc]


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
