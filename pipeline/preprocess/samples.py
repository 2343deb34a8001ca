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
from pipeline.preprocess.frames import OUTSIDE, Framed, Framing, centred, frames_of_bytes, frames_of_recording
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
        stream=params.stream,
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
        yield _counted(name, counts, *frames_of_bytes(data, suffix, name, reading, buffer))
        return
    recording = decode_recording(data, suffix, name, reading.sensor, reading.stream)
    yield from samples_of_recording(orient(recording, reading.orientation), name, reading, counts, buffer)


def samples_of_recording(
    recording: Recording, name: str, reading: Reading, counts: Counter[str], buffer: Buffer
) -> Iterator[FramedSample]:
    """The same of an oriented recording."""
    if reading.window is None:
        yield _counted(name, counts, *frames_of_recording(recording, name, reading, buffer))
        return
    counts.update(recording.counts)
    for time, piece in _windows(recording, reading.size, reading.window, name, counts):
        frames, _ = frames_of_recording(piece, f"{name}@{time}", reading, buffer)
        yield FramedSample(f"{name}@{time}", frames, (recording.width, recording.height))


def _counted(name: str, counts: Counter[str], frames: Frames, seen: Framed) -> FramedSample:
    counts.update(seen.counts)
    return FramedSample(name, frames, (seen.width, seen.height))


def _windows(
    recording: Recording, size: int, params: WindowParams, where: str, counts: Counter[str]
) -> list[tuple[str, Recording]]:
    """The windows with enough events in the framed square, with names. Raises RecordingError if there are none.

    They hold all their events: those in the square would be a copy of the recording.
    """
    if not len(recording):
        raise RecordingError(f"{where}: event 0: a recording without events cannot be cut; remove it or fetch it again")
    unit = "; times of an array (N, 4) are read as milliseconds" if where.lower().endswith(".npy") else ""
    try:
        whole = windows(recording, params)
        inside = [len(centred(piece, size)) for _, piece in whole]
    except RecordingError as error:
        raise RecordingError(f"{where}: {error}{unit}") from None
    used = [window for window, number in zip(whole, inside, strict=True) if number >= params.min_events]
    if not used:
        raise RecordingError(f"{where}: {_too_few_events(recording, inside, params)}{unit}")
    events = [sum(len(piece) for _, piece in whole), sum(inside)]
    few = f"fewer than {params.min_events} events"
    counts.update({"windows": len(whole), "windows used": len(used), left_out("windows", few): len(whole) - len(used)})
    counts.update({AFTER: len(recording) - events[0], OUTSIDE: events[0] - events[1]})
    few_events = sum(number for number in inside if number < params.min_events)
    counts.update({left_out("events", f"in windows of {few}"): few_events})
    return used


def _too_few_events(recording: Recording, events: list[int], params: WindowParams) -> str:
    if not events:
        lasts = (recording.t.max() - recording.t[0]) / 1000
        return f"lasts {lasts:g} ms, less than one window of {params.ms} ms; remove it, or lower window.ms"
    return (
        f"none of its {len(events)} windows has window.min_events {params.min_events} events, the maximum is "
        f"{max(events)}; remove it, or lower window.min_events"
    )
