"""Long recordings cut into windows of one duration."""

from dataclasses import replace

import numpy as np

from pipeline.data.params import WindowParams
from pipeline.data.recordings import Recording


def windows(recording: Recording, params: WindowParams) -> list[tuple[str, Recording]]:
    """Windows one after another from the first event, each with the name `<start>-<end>ms`; a shorter rest is left out.

    The events stand in the order of the file, so a recording whose time runs back is cut where it first reaches the
    window's end.
    """
    if not len(recording):
        return []
    time = np.maximum.accumulate(recording.t) - recording.t[0]
    count = int(time[-1] // (params.ms * 1000))
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
