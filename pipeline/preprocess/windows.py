"""Cuts long recordings into windows of equal duration."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from models.kernels.compile_lock import compile_lock
from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.params import WindowParams
from pipeline.preprocess.times import LATE, goes_back

_FEW_WINDOWS = 10_000
"""Number of windows up to which a recording may have more windows than events."""


def windows(recording: Recording, params: WindowParams) -> list[tuple[str, Recording]]:
    """Consecutive windows from the first event on, named `<start>-<end>ms`; a shorter rest is left out.

    Events stay in file order, so a window ends where the time first reaches its end, even if it decreases a little
    afterwards. Raises RecordingError if the time decreases by more than LATE (a clock that was set back, an event left
    from an earlier recording), or jumps so far forward that most windows would be empty.
    """
    if not len(recording):
        return []
    t, step, most = recording.t, params.ms * 1000, max(len(recording), _FEW_WINDOWS)
    count = int(t.max() - t[0]) // step
    cuts = np.empty(min(count, most) + 1, np.int64)
    late = int(_compiled()(t, step, LATE, cuts))
    if late < len(t):
        raise goes_back(t, late)
    if count > most:
        first = int(np.argmax(np.diff(np.maximum.accumulate(t))))
        raise RecordingError(
            f"event {first + 1}: time {t[first + 1]} after {t[first]} makes {count} windows of {len(t)} events; "
            f"{RECORDING_REMEDY}"
        )
    return [
        (f"{k * params.ms:06}-{(k + 1) * params.ms:06}ms", select_events(recording, slice(cuts[k], cuts[k + 1])))
        for k in range(count)
    ]


def _cuts_kernel(t: npt.NDArray[np.int64], step: int, late: int, cuts: npt.NDArray[np.int64]) -> int:
    """Fills in where each window begins; returns the index of the first event that is too late, or N.

    Compiled by numba, because numpy would take another 16 bytes an event, which are 13 themselves.
    """
    latest, k = t[0], 0
    for i in range(len(t)):
        if latest - t[i] > late:
            return i
        latest = max(latest, t[i])
        while k < len(cuts) and latest - t[0] >= k * step:
            cuts[k] = i
            k += 1
    return len(t)


@cache
def _compiled() -> Callable[..., int]:
    from numba import njit, types

    t, cuts = types.Array(types.int64, 1, "A", readonly=True), types.Array(types.int64, 1, "C")
    with compile_lock():
        return njit(types.int64(t, types.int64, types.int64, cuts), cache=True)(_cuts_kernel)


def select_events(recording: Recording, events: slice) -> Recording:
    """A slice of a recording's events."""
    return replace(
        recording, t=recording.t[events], x=recording.x[events], y=recording.y[events], p=recording.p[events]
    )
