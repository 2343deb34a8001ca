"""Long recordings cut into windows of one duration."""

from dataclasses import replace

import numpy as np

from pipeline.data.params import WindowParams
from pipeline.data.recordings import Recording
from pipeline.errors import REMEDY, RecordingError

FEW = 10_000
"""So many windows need no event in each."""


def windows(recording: Recording, params: WindowParams) -> list[tuple[str, Recording]]:
    """Windows one after another from the first event, each with the name `<start>-<end>ms`; a shorter rest is left out.

    The events stand in the order of the file, so a recording whose time runs back is cut where it first reaches the
    window's end. Raises RecordingError where the time leaps so far that most windows would be empty.
    """
    if not len(recording):
        return []
    time = np.maximum.accumulate(recording.t) - recording.t[0]
    count = int(time[-1] // (params.ms * 1000))
    if count > max(len(recording), FEW):
        first = int(np.argmax(np.diff(time)))
        raise RecordingError(
            f"event {first + 1}: time {recording.t[first + 1]} after {recording.t[first]} makes {count} windows of "
            f"{len(recording)} events; {REMEDY}"
        )
    cuts = np.searchsorted(time, np.arange(count + 1) * params.ms * 1000)
    return [
        (f"{k * params.ms:06}-{(k + 1) * params.ms:06}ms", part(recording, slice(cuts[k], cuts[k + 1])))
        for k in range(count)
    ]


def part(recording: Recording, events: slice) -> Recording:
    """Some events of a recording, in their order."""
    return replace(
        recording, t=recording.t[events], x=recording.x[events], y=recording.y[events], p=recording.p[events]
    )
