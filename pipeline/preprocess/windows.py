"""Long recordings cut into windows of one duration."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.params import WindowParams

_FEW_WINDOWS = 10_000
"""So many windows need no event in each."""
LATE = 10_000
"""Microseconds that an event may be earlier than one before it: cameras send packets of 10 ms (libcaer's default), in
which the events of several threads or chips can be interleaved. A time that runs back further is another run's."""


def windows(recording: Recording, params: WindowParams) -> list[tuple[str, Recording]]:
    """Windows one after another from the first event, each with the name `<start>-<end>ms`; a shorter rest is left out.

    The events stand in the order of the file, so a recording whose time runs back a little is cut where it first
    reaches the window's end. Raises RecordingError where the time runs back further than LATE (a clock that was set
    back, an event left over from the run before), or leaps so far forward that most windows would be empty.
    """
    if not len(recording):
        return []
    latest = np.maximum.accumulate(recording.t)
    _check_order(recording.t, latest)
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


def _check_order(t: npt.NDArray[np.int64], latest: npt.NDArray[np.int64]) -> None:
    """`latest` is the latest time up to each event."""
    back = latest - t
    if (back > LATE).any():
        first = int(np.argmax(back > LATE))
        raise RecordingError(
            f"event {first}: time {t[first]} after {latest[first]} runs back by {back[first] / 1e6:g} s, so its "
            f"window is not known; remove the events before event {first} or those from it on, or set "
            "preprocess.window to null, which counts the events in their order"
        )


def select_events(recording: Recording, events: slice) -> Recording:
    """Some events of a recording, in their order."""
    return replace(
        recording, t=recording.t[events], x=recording.x[events], y=recording.y[events], p=recording.p[events]
    )
