"""Cuts long recordings into windows of equal duration."""

from dataclasses import replace

import numpy as np

from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.params import WindowParams
from pipeline.preprocess.times import check_order

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
    latest = np.maximum.accumulate(recording.t)
    check_order(recording.t, latest)
    time = latest - recording.t[0]
    count = int(time[-1] // (params.ms * 1000))
    if count > max(len(recording), _FEW_WINDOWS):
        first = int(np.argmax(np.diff(time)))
        raise RecordingError(
            f"event {first + 1}: time {recording.t[first + 1]} after {recording.t[first]} makes {count} windows of "
            f"{len(recording)} events; {RECORDING_REMEDY}"
        )
    cuts = np.searchsorted(time, np.arange(count + 1) * params.ms * 1000)
    return [
        (f"{k * params.ms:06}-{(k + 1) * params.ms:06}ms", select_events(recording, slice(cuts[k], cuts[k + 1])))
        for k in range(count)
    ]


def select_events(recording: Recording, events: slice) -> Recording:
    """A slice of a recording's events."""
    return replace(
        recording, t=recording.t[events], x=recording.x[events], y=recording.y[events], p=recording.p[events]
    )
