"""The rule for times that is the same in all formats: what is mended, and what is refused. docs/your-data.md has it."""

import numpy as np
import numpy.typing as npt

from pipeline.ground.errors import RECORDING_REMEDY, RecordingError

LATEST = 1 << 60
"""Upper bound of a time (microseconds): 36,000 years after 1970. Differences of such times fit into 64 bits."""
LATE = 10_000
"""Maximum decrease of time from event to event (microseconds): cameras send packets of 10 ms (libcaer's default), in
which events of several threads or chips can be interleaved. A larger decrease means another recording."""


def unwrapped(values: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Values of a counter with this number of bits, continued where it overflows: decreases by more than half of it."""
    return values + (np.cumsum(np.diff(values, prepend=values[:1]) < -(1 << bits - 1)) << bits)


def check_times(t: npt.NDArray[np.int64], where: str) -> None:
    """Raises RecordingError unless all times are from 0 to LATEST."""
    if len(t) and not 0 <= t.min() <= t.max() < LATEST:
        first = int(np.flatnonzero((t < 0) | (t >= LATEST))[0])
        raise RecordingError(
            f"{where}: event {first}: time {t[first]}, expected microseconds from 0 to 2^60; {RECORDING_REMEDY}"
        )


def goes_back(t: npt.NDArray[np.int64], event: int) -> RecordingError:
    """The error of an event whose time is more than LATE before that of an earlier one."""
    latest = t[:event].max()
    return RecordingError(
        f"event {event}: time {t[event]} after {latest} goes back by {(latest - t[event]) / 1e6:g} s, so its "
        f"window is unknown; remove the events before event {event} or those from it on, or set "
        "preprocess.window to null, which frames the events in file order"
    )
