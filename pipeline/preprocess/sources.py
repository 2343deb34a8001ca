"""The cameras that a recording's header names, and which one of them has the events."""

import re
from collections.abc import Mapping, Sized

from pipeline.ground.errors import RecordingError

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
    "DAVISHET640": (320, 240),  # its frames have 640 x 480 pixels, its events these
    "DAVIS640HET": (320, 240),
    "DVXPLORER": (640, 480),
}
"""Width and height of what makes events, by the camera's name in capitals as cAER writes it into AEDAT 3.1."""
CONVERT = "convert the file to AEDAT 4, which says the sensor's size"

_SOURCE = re.compile(rb"^#Source (\d{1,5}): *([^\r\n]*)", re.MULTILINE)
_SIZE = re.compile(r"dvsSizeX=(\d{1,5}),dvsSizeY=(\d{1,5})")  # a source that was recorded from a file or a network
_READ_AS_DVS128 = re.compile(r"(e?DVS|tmpdiff)128(?!.*stereo)", re.IGNORECASE)


def sources_of_aedat3(header: bytes, where: str) -> dict[int, str]:
    """Name of the camera of each source in the header of AEDAT 3.1. Raises RecordingError."""
    named = [(int(number), name.decode(errors="replace").strip()) for number, name in _SOURCE.findall(header)]
    if not named:
        raise RecordingError(f"{where}: byte 0: the header names no camera (`#Source 1: DVS128`); {CONVERT}")
    if len(dict(named)) < len(set(named)):
        raise RecordingError(f"{where}: byte 0: the header gives one source two cameras: {_listed(named)}; {CONVERT}")
    return dict(named)


def sensor_of(camera: str, where: str) -> tuple[int, int]:
    """Width and height of the sensor of a camera that a header of AEDAT 3.1 names. Raises RecordingError."""
    if size := _SIZE.search(camera):
        width, height = int(size[1]), int(size[2])
    else:
        width, height = SENSORS.get(camera.upper(), (0, 0))
    if not width or not height:
        raise RecordingError(
            f"{where}: byte 0: the camera {camera!r} is not one whose AEDAT 3.1 is read "
            f"({', '.join(SENSORS)}); {CONVERT}"
        )
    return width, height


def check_aedat2_camera(header: bytes, where: str) -> None:
    """Raises RecordingError if a header of AEDAT 2.0 names another camera than a DVS128; none is needed."""
    chip, interface = _value(header, b"AEChip"), _value(header, b"HardwareInterface")
    other = interface if "davis" in interface.lower() else ""
    if chip and not _READ_AS_DVS128.match(chip.rpartition(".")[2]):
        other = chip
    if other:
        raise RecordingError(
            f"{where}: byte 0: the header names the camera {other}; of AEDAT 2.0 only a DVS128 is read; {CONVERT}"
        )


def _value(header: bytes, key: bytes) -> str:
    """What stands after a key on its line; empty without one."""
    start = header.find(b"\n# " + key + b":")
    return "" if start < 0 else header[start:].split(b":", 1)[1].split(b"\n", 1)[0].decode(errors="replace").strip()


def only_source(events: Mapping[int, Sized], names: Mapping[int, str], where: str) -> int | None:
    """Number of the only stream or source of a file that has events; None if none has.

    Events of two cameras, or the raw and the filtered ones of a camera, are never counted together: RecordingError.
    """
    used = sorted(number for number, found in events.items() if len(found))
    if len(used) > 1:
        found = ", ".join(f"{number} ({names[number]}): {len(events[number])} events" for number in used)
        raise RecordingError(
            f"{where}: {len(used)} streams have events, {found}; a recording is of one: export each to a file of its "
            "own and keep one"
        )
    return used[0] if used else None


def _listed(named: list[tuple[int, str]]) -> str:
    return ", ".join(f"{number}: {name}" for number, name in named)
