"""`sresnet inspect`: describes a recording, a folder of recordings, or a dataset that is downloaded."""

import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipeline.data.counts import all_left_out
from pipeline.data.recording import Recording
from pipeline.download.catalog import CATALOG
from pipeline.download.listing import Member, list_files, read_member
from pipeline.download.source import SOURCE_FILE, read_source
from pipeline.ground.errors import InputError, RecordingError, by_reason
from pipeline.ground.files import write_whole
from pipeline.ground.names import shown
from pipeline.ground.params import load_dataset, read_params
from pipeline.ground.paths import PARAMS, raw
from pipeline.ground.progress import progress
from pipeline.preprocess.frames import OUTSIDE, centred, to_frames
from pipeline.preprocess.parquet_events import RowReader, event_rows, read_event_table
from pipeline.preprocess.recordings import decode_recording, read_recording
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.sources import StreamKey
from pipeline.report.pictures import strip

_BINS = 40
"""Number of parts of a recording whose event rate is shown."""
_LEVELS = " ▁▂▃▄▅▆▇█"
_SUFFIXES = CATALOG["recordings"].suffixes
_TABLES = CATALOG["parquet-recordings"].suffixes


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


@dataclass(frozen=True, kw_only=True)
class StatedCamera:
    """What the files do not say, as in preprocess."""

    sensor: Sensor | None
    stream: StreamKey | None


def inspect(name: str, stated: StatedCamera, frames: int, size: int, picture: Path | None, *, as_json: bool) -> None:
    """Prints what a file, a folder or a dataset contains.

    Raises InputError, for a folder and a dataset after all of it was read.
    """
    path = Path(name)
    if not path.exists():
        path, stated = _dataset(name, stated)
    if path.is_dir():
        if picture:
            raise InputError(f"{path}: is a folder; a picture can be made of one recording")
        _inspect_folder(path, stated, as_json=as_json)
        return
    recording = read_recording(path, stated.sensor, stated.stream)
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
    side, outside, each = inside.width, len(recording) - len(inside), len(inside) // frames
    last = len(inside) - (frames - 1) * each
    framed = (
        f"  frames      {frames} of {each:,} events{f', the last of {last:,}' * (last != each)} (frames: {frames}, "
        f"size: {size}): the centred {side} x {side} pixels, {side // size} x {side // size} summed"
    )
    return [framed, *([f"  {outside:,} {OUTSIDE}"] if outside else [])]


def _png(recording: Recording, frames: int, size: int) -> bytes:
    with io.BytesIO() as memory:
        Image.fromarray(strip(to_frames(recording, frames, size))).save(memory, "PNG")
        return memory.getvalue()


def _dataset(name: str, stated: StatedCamera) -> tuple[Path, StatedCamera]:
    """The files in data/raw/ of a dataset, by its own name or by its entry in the catalog, and what is stated of it."""
    folders = {file.parent.name: file.parent for file in sorted(raw("_").parent.glob(f"*/{SOURCE_FILE}"))}
    catalogs = {read_source(folder).catalog: folder for folder in folders.values()}
    if (folder := folders.get(name) or catalogs.get(name)) is None:
        raise InputError(
            f"{name}: no such file, folder or dataset; expected a recording ({', '.join(_SUFFIXES)}), a folder, or a "
            f"dataset that is in data/raw ({', '.join(folders) or 'none'})"
        )
    entry, sensor, stream = CATALOG[read_source(folder).catalog], stated.sensor, stated.stream
    if folder.name in (read_params(PARAMS).get("datasets") or {}):
        preprocess = load_dataset(folder.name).preprocess
        sensor, stream = sensor or preprocess.sensor, preprocess.stream if stream is None else stream
    return folder, StatedCamera(sensor=sensor or entry.sensor, stream=stream)


def _inspect_folder(path: Path, stated: StatedCamera, *, as_json: bool) -> None:
    listed = list_files(path, (*_SUFFIXES, *_TABLES))
    if not listed.members:
        raise InputError(f"{path}: no recording in it or in its archives; expected {', '.join((*_SUFFIXES, *_TABLES))}")
    found: list[Inspected] = []
    wrong: list[tuple[str, str]] = []
    with progress(path.name, total=len(listed.members), unit="recordings") as bar:
        for member in listed.members:
            try:
                found.extend(_inspected_member(member, stated))
            except InputError as error:
                wrong.append((member.id, str(error)))
            bar.update()
    for line in map(json.dumps, map(asdict, found)) if as_json else _class_lines(found):
        print(line)
    for suffix, number in sorted(listed.left_out.items()):
        print(f"{number} other file(s): {suffix}", file=sys.stderr)
    if wrong:
        raise InputError(
            "\n".join([f"{len(wrong)} of {len(listed.members)} recordings cannot be read:", *by_reason(wrong)])
        )


def _inspected_member(member: Member, stated: StatedCamera) -> Iterator[Inspected]:
    """The description of a recording, or of each row of a Parquet file. Raises InputError."""
    suffix = PurePosixPath(member.id).suffix.lower()
    if suffix not in _TABLES:
        recording = decode_recording(read_member(member), suffix, member.id, stated.sensor, stated.stream)
        yield inspected(recording, member.id)
        return
    reader = RowReader()
    for row in event_rows([read_event_table(member)]):
        yield inspected(reader.read(row, stated.sensor), row.id)


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
    return [*rows, "(events and seconds: smallest / median / largest)"] if rows else []


def _spread(numbers: list[int] | list[float]) -> str:
    low, middle, high = (float(value) for value in np.quantile(numbers, [0, 0.5, 1]))
    form = ",.0f" if isinstance(numbers[0], int) else ".2f"
    return f"{low:{form}} / {middle:{form}} / {high:{form}}"
