"""`sresnet inspect`: describes a recording, or a folder of recordings, before it becomes a dataset."""

import io
import json
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipeline.data.counts import all_left_out
from pipeline.data.recording import Recording
from pipeline.download.catalog import CATALOG
from pipeline.download.listing import list_files, read_member
from pipeline.ground.errors import InputError, RecordingError
from pipeline.ground.files import write_whole
from pipeline.ground.names import shown
from pipeline.ground.progress import progress
from pipeline.preprocess.frames import OUTSIDE, centred, to_frames
from pipeline.preprocess.recordings import decode_recording, read_recording
from pipeline.preprocess.sensors import Sensor
from pipeline.report.pictures import strip

_BINS = 40
"""Number of parts of a recording whose event rate is shown."""
_LEVELS = " ▁▂▃▄▅▆▇█"
_SUFFIXES = CATALOG["recordings"].suffixes


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """What a recording contains."""

    file: str
    width: int
    height: int
    """Of the sensor (pixels)."""
    events: int
    seconds: float
    """From the first to the last event."""
    on_percent: float
    """Events of polarity 1."""
    backwards_ms: float
    """Largest decrease of time from the latest event before (milliseconds)."""
    rates: list[float]
    """Events per second in each of 40 equal parts of the time."""
    left_out: dict[str, int]
    """Numbers of what is not an event of a pixel, by reason."""


def inspect(path: Path, sensor: Sensor | None, frames: int, size: int, picture: Path | None, *, as_json: bool) -> None:
    """Prints what a file or folder contains. Raises InputError, for a folder after all of it was read."""
    if path.is_dir():
        if picture:
            raise InputError(f"{path}: is a folder; a picture can be made of one recording")
        _inspect_folder(path, sensor, as_json=as_json)
        return
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; expected a recording ({', '.join(_SUFFIXES)}) or a folder")
    recording = read_recording(path, sensor)
    found = inspected(recording, str(path))
    print(json.dumps(asdict(found)) if as_json else "\n".join([*description(found), *_cut(recording, frames, size)]))
    if picture:
        try:
            write_whole(picture, _png(recording, frames, size))
        except RecordingError as error:
            raise InputError(f"{path}: no picture with --size {size}: {error}") from None


def inspected(recording: Recording, name: str) -> Inspected:
    """The description of a recording; `name` is its file."""
    t, seconds, rates = recording.t, 0.0, [0.0] * _BINS
    back = 0.0
    if len(recording):
        seconds = float(t.max() - t.min()) / 1e6
        back = float((np.maximum.accumulate(t) - t).max()) / 1e3
        numbers, _ = np.histogram(t, _BINS)
        rates = [round(float(number) * _BINS / seconds, 1) if seconds else 0.0 for number in numbers]
    return Inspected(
        file=name,
        width=recording.width,
        height=recording.height,
        events=len(recording),
        seconds=seconds,
        on_percent=round(100 * float(recording.p.mean()), 2) if len(recording) else 0.0,
        backwards_ms=back,
        rates=rates,
        left_out={name: number for name, number in all_left_out(recording.counts).items() if number},
    )


def description(found: Inspected) -> list[str]:
    """The description in lines of a terminal."""
    most = max(found.rates)
    bars = "".join(_LEVELS[round(rate / most * (len(_LEVELS) - 1))] if most else " " for rate in found.rates)
    lines = [
        shown(found.file),
        f"  sensor      {found.width} x {found.height} pixels",
        f"  events      {found.events:,}, {found.on_percent:.1f} % of polarity 1",
        f"  duration    {found.seconds:.3f} s",
        f"  rate        |{bars}| at most {most:,.0f} events/s",
    ]
    if found.backwards_ms:
        lines.append(f"  time        runs back by up to {found.backwards_ms:g} ms")
    return lines + [f"  {number:,} {name}" for name, number in found.left_out.items()]


def _cut(recording: Recording, frames: int, size: int) -> list[str]:
    """How preprocessing would frame the recording."""
    if size > min(recording.width, recording.height):
        return [f"  frames      none: size {size} is larger than the sensor"]
    inside = centred(recording, size)
    side, outside = inside.width, len(recording) - len(inside)
    framed = (
        f"  frames      {frames} of {len(inside) // frames:,} events (frames: {frames}, size: {size}): the centred "
        f"{side} x {side} pixels, {side // size} x {side // size} summed"
    )
    return [framed, *([f"  {outside:,} {OUTSIDE}"] if outside else [])]


def _png(recording: Recording, frames: int, size: int) -> bytes:
    with io.BytesIO() as memory:
        Image.fromarray(strip(to_frames(recording, frames, size))).save(memory, "PNG")
        return memory.getvalue()


def _inspect_folder(path: Path, sensor: Sensor | None, *, as_json: bool) -> None:
    listed = list_files(path, _SUFFIXES)
    if not listed.members:
        raise InputError(f"{path}: no recording in it or in its archives; expected {', '.join(_SUFFIXES)}")
    found: list[Inspected] = []
    wrong: list[str] = []
    with progress(path.name, total=len(listed.members), unit="recordings") as bar:
        for member in listed.members:
            try:
                data = read_member(member)
                recording = decode_recording(data, PurePosixPath(member.id).suffix.lower(), member.id, sensor)
                found.append(inspected(recording, member.id))
            except InputError as error:
                wrong.append(str(error))
            bar.update()
    for line in map(json.dumps, map(asdict, found)) if as_json else _class_lines(found):
        print(line)
    for suffix, number in sorted(listed.left_out.items()):
        print(f"{number} other file(s): {suffix}", file=sys.stderr)
    if wrong:
        raise InputError("\n  ".join([f"{len(wrong)} of {len(listed.members)} recordings cannot be read:", *wrong]))


def _class_lines(found: list[Inspected]) -> list[str]:
    """One line per folder: recordings, sensors, events and seconds as smallest, median, largest."""
    by_class: dict[str, list[Inspected]] = defaultdict(list)
    for one in found:
        by_class[str(PurePosixPath(one.file).parent)].append(one)
    width = max(map(len, map(shown, by_class)), default=0)
    rows = [
        f"{shown(name):<{width}}  {len(all_of):>6,} recordings  "
        f"{', '.join(sorted({f'{one.width} x {one.height}' for one in all_of}))}  "
        f"events {_spread([one.events for one in all_of])}  seconds {_spread([one.seconds for one in all_of])}"
        for name, all_of in by_class.items()
    ]
    return [*rows, "(events and seconds: smallest / median / largest)"]


def _spread(numbers: list[int] | list[float]) -> str:
    low, middle, high = (float(value) for value in np.quantile(numbers, [0, 0.5, 1]))
    form = ",.0f" if isinstance(numbers[0], int) else ".2f"
    return f"{low:{form}} / {middle:{form}} / {high:{form}}"
