"""The samples in the bytes of one recording: its frames, or those of each of its windows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from pipeline.data.counts import left_out
from pipeline.data.recording import Recording
from pipeline.ground.errors import RecordingError
from pipeline.ground.params import PreprocessParams, WindowParams
from pipeline.preprocess.frames import OUTSIDE, Framing, centred, frames_of_bytes, frames_of_recording
from pipeline.preprocess.recordings import Orientation, decode_recording, orient
from pipeline.preprocess.scatter import Buffer, Frames
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.windows import windows

AFTER = left_out("events", "after the last whole window")


@dataclass(frozen=True, kw_only=True)
class Reading(Framing):
    """How the bytes of a recording become samples."""

    window: WindowParams | None
    """None: the recording is one sample."""


def reading_of(params: PreprocessParams, orientation: Orientation) -> Reading:
    """How the recordings of a dataset are read."""
    assert params.frames is not None, "checked by preprocess"
    assert params.size is not None, "checked by preprocess"
    return Reading(
        num_frames=params.frames,
        size=params.size,
        orientation=orientation,
        sensor=params.sensor,
        window=params.window,
    )


class FramedSample(NamedTuple):
    """A recording, or one of its windows, as frames."""

    name: str
    """The recording's, with `@<start>-<end>ms` for a window."""
    frames: Frames
    """(T, 2, H, W); valid until the next sample, as all share a buffer."""
    sensor: Sensor


def samples_of(
    data: bytes, name: str, reading: Reading, counts: Counter[str], buffer: Buffer
) -> Iterator[FramedSample]:
    """Yields the samples of a recording and adds its counts to `counts`. `name` ends in the format's suffix.

    Raises RecordingError that names the recording.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if reading.window is None:
        frames, seen = frames_of_bytes(data, suffix, name, reading, buffer)
        counts.update(seen.counts)
        yield FramedSample(name, frames, (seen.width, seen.height))
        return
    recording = orient(decode_recording(data, suffix, name, reading.sensor), reading.orientation)
    counts.update(recording.counts)
    for time, piece in _windows(recording, reading.size, reading.window, name, counts):
        frames, _ = frames_of_recording(piece, f"{name}@{time}", reading, buffer)
        yield FramedSample(f"{name}@{time}", frames, (recording.width, recording.height))


def _windows(
    recording: Recording, size: int, params: WindowParams, where: str, counts: Counter[str]
) -> list[tuple[str, Recording]]:
    """The windows with enough events in the framed square, with names. Raises RecordingError if there are none."""
    if not len(recording):
        raise RecordingError(f"{where}: event 0: a recording without events cannot be cut; remove it or fetch it again")
    unit = "; times of an array (N, 4) are read as milliseconds" if where.lower().endswith(".npy") else ""
    try:
        whole = windows(recording, params)
        inside = [(name, centred(piece, size)) for name, piece in whole]
    except RecordingError as error:
        raise RecordingError(f"{where}: {error}{unit}") from None
    used = [(name, piece) for name, piece in inside if len(piece) >= params.min_events]
    if not used:
        numbers = [len(piece) for _, piece in inside]
        raise RecordingError(f"{where}: {_too_few_events(recording, numbers, params)}{unit}")
    events = [sum(len(piece) for _, piece in pieces) for pieces in (whole, inside, used)]
    few = f"fewer than {params.min_events} events"
    counts.update({"windows": len(whole), "windows used": len(used), left_out("windows", few): len(whole) - len(used)})
    counts.update({AFTER: len(recording) - events[0], OUTSIDE: events[0] - events[1]})
    counts.update({left_out("events", f"in windows of {few}"): events[1] - events[2]})
    return used


def _too_few_events(recording: Recording, events: list[int], params: WindowParams) -> str:
    if not events:
        lasts = (recording.t.max() - recording.t[0]) / 1000
        return f"lasts {lasts:g} ms, less than one window of {params.ms} ms; remove it, or lower window.ms"
    return (
        f"none of its {len(events)} windows has window.min_events {params.min_events} events, the maximum is "
        f"{max(events)}; remove it, or lower window.min_events"
    )
