"""Intact recordings of every format, from which the damaged ones are made."""

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.download.camera import simulate, write_aedat2
from pipeline.ground.params import CameraParams
from tests.preprocess.aedat4 import DESCRIPTION, Event, aedat4, aedat4_of, block
from tests.preprocess.hdf5_files import dsec, m3ed, metavision
from tests.preprocess.prophesee import address, dat, event2, raw, time2, vector21, word3
from tests.preprocess.written import HEADER3, aedat2, nmnist, npy, npz, packet3, polarity3

FORMATS = {
    "AEDAT 2.0": ".aedat",
    "AEDAT 3.1": ".aedat",
    "AEDAT 4": ".aedat4",
    "N-MNIST": ".bin",
    "gesture": ".npy",
    "columns": ".npz",
    "Prophesee": ".dat",
    "EVT 2 and 3": ".raw",
    "HDF5": ".h5",
}
"""Suffix of the files of each format."""
SIZES = {suffix: 34 if suffix == ".bin" else 64 for suffix in FORMATS.values()}
"""Height and width of the frames that the format's recordings are made into."""
STATED = {".npz": (128, 128), ".h5": (128, 96)}
"""preprocess.sensor of the formats that need it."""
SENSOR = DESCRIPTION.format(kind="EVTS", width=128, height=128)
CAMERA = CameraParams(
    recordings_per_class=1,
    loops=1,
    loop_ms=20,
    amplitude_pixels=4,
    contrast_threshold=0.5,
    threshold_mismatch=0.0,
    refractory_us=300,
    noise_hz=0.0,
    seed=0,
)


@dataclass(frozen=True)
class Seed:
    """A whole recording, and the same events where an event is no longer on the sensor."""

    whole: bytes
    outside: bytes


@cache
def seeds(name: str) -> list[Seed]:
    """Recordings of one format."""
    return [MAKERS[name](Random(number), number) for number in range(4)]


def _events(drawn: Random, sensor: int, *, most: int) -> list[Event]:
    """t, x, y, polarity, in order of time."""
    times = sorted(drawn.randrange(200_000) for _ in range(drawn.randrange(20, most)))
    return [(t, drawn.randrange(sensor), drawn.randrange(sensor), drawn.randrange(2)) for t in times]


def _astray(drawn: Random, events: list[Event], low: int, high: int, sensor: int) -> list[Event]:
    """The events, one of which lies at a coordinate from `low` to `high` outside of the sensor."""
    place, far = drawn.randrange(len(events)), drawn.choice((low, sensor, sensor + 1, high))
    t, x, y, p = events[place]
    moved = (t, far, y, p) if drawn.random() < 0.5 else (t, x, far, p)
    return [*events[:place], moved, *events[place + 1 :]]


def _aedat2(drawn: Random, number: int) -> Seed:
    if number == 0:
        whole = _simulated()
    else:
        whole = aedat2(*((y << 8 | x << 1 | p, t) for t, x, y, p in _events(drawn, 128, most=800)))
    return Seed(whole, whole + struct.pack(">II", 1 << drawn.randrange(16, 31), 9))  # the address of another camera


@cache
def _simulated() -> bytes:
    """A bright square, seen by the simulated camera."""
    image = np.zeros((8, 8), np.uint8)
    image[2:6, 2:6] = 16
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.aedat"
        write_aedat2(simulate(image, CAMERA, index=0), path)
        return path.read_bytes()


def _aedat3(drawn: Random, number: int) -> Seed:
    events = _events(drawn, 128, most=600)
    return Seed(_packets3(events, number), _packets3(_astray(drawn, events, 128, 0x7FFF, 128), number))


def _packets3(events: list[Event], number: int) -> bytes:
    written = [(polarity3(x, y, p), t) for t, x, y, p in events]
    special = packet3([(0xFFFFFFFF, 0)] * 3, kind=3, size=36)
    half = len(written) // 2
    return HEADER3 + packet3(written[:half]) + special * number + packet3(written[half:], overflow=number)


def _aedat4(drawn: Random, number: int) -> Seed:
    events, compression = _events(drawn, 128, most=500), (0, 1, 3, 0)[number]
    astray = _astray(drawn, events, -1, 32767, 128)
    if number == 3:
        other = SENSOR.replace(
            "</node></dv>", '<node name="1"><attr key="typeIdentifier">TRIG</attr></node></node></dv>'
        )
        return Seed(aedat4_of([block(events)], other, 0, table=b"a table"), aedat4_of([block(astray)], other, 0))
    whole, outside = (
        aedat4([these[:100], [], these[100:]], width=128, height=128, compression=compression)
        for these in (events, astray)
    )
    return Seed(whole, outside)


def _nmnist(drawn: Random, number: int) -> Seed:
    events = [(x, y, p, t) for t, x, y, p in _events(drawn, 34, most=900)]
    clock = nmnist((0, 240, 0, 0)) * number
    astray = [(x, y, p, t) for t, x, y, p in _astray(drawn, [(t, x, y, p) for x, y, p, t in events], 34, 255, 34)]
    return Seed(nmnist(*events) + clock + nmnist(*events[:9]), nmnist(*astray))


def _gesture(drawn: Random, number: int) -> Seed:
    dtype = (np.int64, np.uint32, np.float32, np.float64)[number]
    events = [(x, y, p, t // 1000) for t, x, y, p in _events(drawn, 128, most=600)]
    astray = [*events, (drawn.choice((128, 2**20)), 0, drawn.choice((0, 2)), 0)]
    return Seed(npy(np.array(events, dtype)), npy(np.array(astray, dtype)))


def _columns(drawn: Random, number: int) -> Seed:
    events = _events(drawn, 128, most=600)
    dtype = (np.int64, np.uint32, np.int32, np.float64)[number]
    whole, outside = (
        npz(**dict(zip("txyp", np.array(these, dtype).T, strict=True)))
        for these in (events, _astray(drawn, events, 128, 2**20, 128))
    )
    return Seed(whole, outside)


def _dat(drawn: Random, number: int) -> Seed:
    events = _events(drawn, 128, most=600)
    header = f"% Version 2\n% Width 128\n% Height {128}\n" + "% Date 2020-01-01\n" * number
    whole, outside = (
        dat(*((t, address(x, y, p)) for t, x, y, p in these), header=header)
        for these in (events, _astray(drawn, events, 128, 0x3FFF, 128))
    )
    return Seed(whole, outside)


def _raw(drawn: Random, number: int) -> Seed:
    """EVT 2.0, 2.1, and 3.0 with single events and with vectors."""
    events = _events(drawn, 120, most=600)
    far = _astray(drawn, events, 128, 0x7FF, 128)
    name, form = (("EVT2", _words2), ("EVT21", _words21), ("EVT3", _words3), ("EVT3", _vectors3))[number]
    header = "% evt\n% format {name};width=128;height=128\n% end\n"
    return Seed(raw(name, *form(events), header=header), raw(name, *form(far), header=header))


def _words2(events: list[Event]) -> list[int]:
    return [word for t, x, y, p in events for word in (time2(t >> 6), event2(x, y, p, t & 63))]


def _words21(events: list[Event]) -> list[int]:
    return [word for t, x, y, p in events for word in (time2(t >> 6) << 32, vector21(x, y, p, t & 63, 1))]


def _words3(events: list[Event]) -> list[int]:
    return [
        word3(*word)
        for t, x, y, p in events
        for word in ((8, t >> 12 & 0xFFF), (6, t & 0xFFF), (0, y), (2, p << 11 | x))
    ]


def _vectors3(events: list[Event]) -> list[int]:
    return [
        word3(*word)
        for t, x, y, p in events
        for word in ((8, t >> 12 & 0xFFF), (0, y), (3, p << 11 | x), (4 + (t & 1), 1 | t & 0x7F))
    ]


def _hdf5(drawn: Random, number: int) -> Seed:
    """Contiguous and compressed columns, a file of one of two cameras, and a compound dataset."""
    events = _events(drawn, 96, most=300)
    form = (
        dsec,
        lambda these: dsec(these, offset=10**9, chunks=True, shuffle=True, fletcher32=True, compression="gzip"),
        lambda these: m3ed(left=these, right=[]),
        metavision,
    )[number]
    return Seed(form(events), form(_astray(drawn, events, 128, 2**15, 128)))


MAKERS = {
    "AEDAT 2.0": _aedat2,
    "AEDAT 3.1": _aedat3,
    "AEDAT 4": _aedat4,
    "N-MNIST": _nmnist,
    "gesture": _gesture,
    "columns": _columns,
    "Prophesee": _dat,
    "EVT 2 and 3": _raw,
    "HDF5": _hdf5,
}
