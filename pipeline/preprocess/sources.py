"""Cameras that a recording's header names, and the one whose events are used."""

import re
from collections.abc import Mapping, Sized
from typing import TypeVar

from pipeline.data.counts import left_out
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.names import shown
from pipeline.preprocess.sensors import Sensor, choose_sensor

SENSORS = {
    "DVS128": (128, 128),
    "EDVS": (128, 128),
    "EDVS4337": (128, 128),
    "DAVIS128": (128, 128),
    "DAVIS208": (208, 192),
    "DAVIS240A": (240, 180),
    "DAVIS240B": (240, 180),
    "DAVIS240C": (240, 180),
    "DAVIS346": (346, 260),
    "DAVIS346A": (346, 260),
    "DAVIS346B": (346, 260),
    "DAVIS346BSI": (346, 260),
    "DAVIS346CBSI": (346, 260),
    "DAVIS640": (640, 480),
    "DAVISHET640": (320, 240),  # its frames have 640 x 480 pixels, its events 320 x 240
    "DAVIS640HET": (320, 240),
    "DVXPLORER": (640, 480),
}
"""Width and height of the event sensor, by the camera's name (in capitals) that cAER writes into AEDAT 3.1."""
StreamKey = int | str
"""preprocess.stream: a number in AEDAT 3.1 and 4, a group in HDF5."""
OTHER_STREAMS = left_out("events", "of other streams than preprocess.stream")
"""Count of events of the streams that are not chosen."""
_Key = TypeVar("_Key", int, str)
CONVERT = "convert the file to AEDAT 4, which contains the sensor's size"

_SOURCE = re.compile(rb"^#Source (\d{1,5}): *([^\r\n]*)", re.MULTILINE)
_SIZE = re.compile(r"dvsSizeX=(\d{1,5}),dvsSizeY=(\d{1,5})")  # for a source read from a file or network
_DAVIS = re.compile(r"DAVIS(208|240|346|640)[A-Z]*")  # jAER's names end in a colour or a version
_READ_AS_DVS128 = re.compile(r"(e?DVS|tmpdiff)128(?!.*stereo)", re.IGNORECASE)


def sources_of_aedat3(header: bytes, where: str) -> dict[int, str]:
    """Camera name of each source in an AEDAT 3.1 header. Raises RecordingError."""
    named = [(int(number), name.decode(errors="replace").strip()) for number, name in _SOURCE.findall(header)]
    if not named:
        raise RecordingError(f"{where}: byte 0: the header names no camera (`#Source 1: DVS128`); {CONVERT}")
    if len(dict(named)) < len(set(named)):
        raise RecordingError(f"{where}: byte 0: header names two cameras for one source: {_listed(named)}; {CONVERT}")
    return dict(named)


def sensor_of(camera: str, stated: Sensor | None, where: str) -> Sensor:
    """The sensor of a camera in an AEDAT 3.1 header; `stated` is preprocess.sensor. Raises RecordingError."""
    if size := _SIZE.search(camera):
        width, height = int(size[1]), int(size[2])
    else:
        width, height = SENSORS.get(camera.upper(), (0, 0))
    if not width or not height:
        if stated:
            return stated
        raise RecordingError(
            f"{where}: byte 0: the camera {camera!r} is not supported in AEDAT 3.1 "
            f"(only {', '.join(SENSORS)}); set preprocess.sensor, or {CONVERT}"
        )
    return choose_sensor((width, height), stated, where)


def davis_of_aedat2(header: bytes, where: str) -> tuple[int, int] | None:
    """Sensor of the DAVIS that an AEDAT 2.0 header names; None for a DVS128, or without a name.

    Raises RecordingError for another camera.
    """
    chip, interface = _value(header, b"AEChip"), _value(header, b"HardwareInterface")
    name = chip.rpartition(".")[2].upper()
    if name in SENSORS and name.startswith("DAVIS"):
        return SENSORS[name]
    if match := _DAVIS.fullmatch(name):
        return SENSORS[f"DAVIS{match[1]}" + ("C" if match[1] == "240" else "")]
    other = interface if "davis" in interface.lower() else ""
    if chip and not _READ_AS_DVS128.match(name):
        other = chip
    if other:
        raise RecordingError(
            f"{where}: byte 0: the header names the camera {other}; AEDAT 2.0 is supported for DVS128 and DAVIS; "
            f"{CONVERT}"
        )
    return None


def _value(header: bytes, key: bytes) -> str:
    """The value after a key on its header line; empty if the key is missing."""
    start = header.find(b"\n# " + key + b":")
    return "" if start < 0 else header[start:].split(b":", 1)[1].split(b"\n", 1)[0].decode(errors="replace").strip()


def only_source(
    events: Mapping[_Key, Sized], names: Mapping[_Key, str], where: str, stated: StreamKey | None = None
) -> _Key | None:
    """The stated stream or source of a file, else the only one that has events; None if none has events.

    Raises RecordingError if the file does not have the stated one, or if several have events and none is stated: events
    of two cameras, or raw and filtered ones, must not be mixed.
    """
    found = {key: f"{shown(str(key))} ({names[key]}): {len(events[key])} events" for key in sorted(events)}
    if stated is not None:
        if stated not in found:
            raise RecordingError(
                f"{where}: preprocess.stream is {stated}, but the file has {', '.join(found.values())}; set it to one "
                "of them"
            )
        return next(key for key in found if key == stated)
    used = [key for key in found if len(events[key])]
    if len(used) > 1:
        raise RecordingError(
            f"{where}: {len(used)} streams have events, {', '.join(found[key] for key in used)}; a recording must have "
            f"one: set preprocess.stream to one of them ({shown(str(used[0]))}), or export each to its own file"
        )
    return used[0] if used else None


def refuse_stream(stated: StreamKey | None, where: str) -> None:
    """Raises RecordingError if preprocess.stream is set for a file that has no streams to choose from."""
    if stated is not None:
        raise RecordingError(
            f"{where}: byte 0: preprocess.stream is {stated}, but a file of this format has one stream; set it to null"
        )


def _listed(named: list[tuple[int, str]]) -> str:
    return ", ".join(f"{number}: {name}" for number, name in named)


def check_length(length: int, unit: int, start: int, where: str) -> None:
    """Raises RecordingError unless the length is a multiple of an event's bytes."""
    if length % unit:
        cut = start + length - length % unit
        raise RecordingError(
            f"{where}: byte {cut}: {length % unit} bytes are left over; expected a multiple of {unit} after byte "
            f"{start}; the file is truncated; {RECORDING_REMEDY}"
        )
