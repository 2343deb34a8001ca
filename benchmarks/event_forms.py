"""File to frames, and events to frames, in this project and in other packages.

The others produce frames of the sensor's size and of their own type. The time to sum them over 2x2 pixels and to narrow
the type, as in the store, is not included for them: every ratio is a lower bound.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import tonic
from tonic.io import get_aer_events_from_file, make_structured_array, read_aedat4, read_mnist_file
from tonic.io import read_aedat_header_from_file as read_header

from benchmarks.event_readers import Reader, readers
from pipeline.data.recording import DVS128, Recording
from pipeline.preprocess.frames import Framing, frames_of_bytes, to_frames
from pipeline.preprocess.nmnist import NMNIST
from pipeline.preprocess.recordings import orient
from pipeline.preprocess.scatter import Buffer
from pipeline.verify import canaries

FRAMES = 50
SUFFIXES = {"aedat2": ".aedat", "nmnist": ".bin", "aedat4": ".aedat4", "dat": ".dat", "evt2": ".raw", "evt3": ".raw"}
SENSORS = {kind: NMNIST if kind == "nmnist" else DVS128 for kind in SUFFIXES}
FRAMINGS = {
    kind: Framing(
        num_frames=FRAMES,
        size=34 if kind == "nmnist" else 64,
        orientation="cifar10-dvs" if kind == "aedat2" else None,
    )
    for kind in SUFFIXES
}
ALONE = "reading alone: "
"""Begins the name of a form that reads a file and makes no frames."""
TONIC = ("aedat2", "nmnist", "aedat4")
SPIKINGJELLY = ("aedat2", "nmnist")
"""Formats that they read."""
Form = Callable[[Any], np.ndarray]
BUFFER = Buffer()


def ours(kind: str, path: Path) -> np.ndarray:
    """Frames in the store's layout, made as in preprocessing; valid until the next call."""
    return frames_of_bytes(path.read_bytes(), SUFFIXES[kind], path.name, FRAMINGS[kind], BUFFER)[0]


def ours_in_memory(events: Recording) -> np.ndarray:
    return to_frames(events, FRAMES, 64, BUFFER)


def tonic_events(kind: str, path: Path) -> np.ndarray:
    """tonic's reader of each format.

    Its read_dvs_128 unpacks two values where its own header reader returns three, and so fails on every file; this
    repeats the code after that line.
    """
    if kind == "nmnist":
        return read_mnist_file(str(path), dtype=tonic.datasets.NMNIST.dtype)
    if kind == "aedat4":
        events = read_aedat4(str(path))
        events.dtype.names = ["t", "x", "y", "p"]  # as its CIFAR10DVS does
        return events
    version, start, _ = read_header(str(path))
    events = get_aer_events_from_file(str(path), version, start)
    address = events["address"]
    return make_structured_array((address >> 8) & 0x7F, (address >> 1) & 0x7F, events["timeStamp"], address & 1)


def tonic_frames(events: np.ndarray, sensor: int = DVS128) -> np.ndarray:
    return tonic.transforms.ToFrame(sensor_size=(sensor, sensor, 2), n_event_bins=FRAMES)(events)


def spikingjelly() -> tuple[ModuleType, ModuleType] | None:
    """Its modules `utils` and `cifar10_dvs`; None if it is not installed."""
    if find_spec("spikingjelly") is None:
        return None
    return canaries.spikingjelly("utils"), canaries.spikingjelly("cifar10_dvs")


def spikingjelly_events(modules: tuple[ModuleType, ModuleType], kind: str, path: Path) -> dict[str, np.ndarray]:
    utils, cifar10_dvs = modules
    return utils.load_ATIS_bin(path) if kind == "nmnist" else cifar10_dvs._load_origin_data(path)


def spikingjelly_frames(
    modules: tuple[ModuleType, ModuleType], events: Mapping[str, np.ndarray], sensor: int = DVS128
) -> np.ndarray:
    return modules[0].integrate_events_by_fixed_frames_number(events, "number", FRAMES, sensor, sensor)


def file_forms(kind: str) -> dict[str, Form]:
    """Functions from file to frames, by name, for the installed libraries.

    Packages that only read are timed with the faster framing, SpikingJelly's if it is installed, and alone.
    """
    sensor, modules = SENSORS[kind], spikingjelly()
    forms: dict[str, Form] = {"ours": lambda path: ours(kind, path)}
    if kind in TONIC:
        forms["tonic"] = lambda path: tonic_frames(tonic_events(kind, path), sensor)
    if modules is not None and kind in SPIKINGJELLY:
        forms["spikingjelly"] = lambda path: spikingjelly_frames(
            modules, spikingjelly_events(modules, kind, path), sensor
        )
    for name, read in readers(kind).items():
        forms[name] = partial(_read_and_framed, read, modules, sensor)
        forms[ALONE + name] = cast("Form", read)
    return forms


def _read_and_framed(
    read: Reader, modules: tuple[ModuleType, ModuleType] | None, sensor: int, path: Path
) -> np.ndarray:
    events = read(path)
    if modules is not None:
        return spikingjelly_frames(modules, events, sensor)
    return tonic_frames(make_structured_array(*(np.asarray(events[name], np.int64) for name in "xytp")), sensor)


def framing_forms(recordings: list[Recording]) -> dict[str, Form]:
    """Functions from a recording's index to its frames, by name; events are in memory in each reader's own format."""
    theirs = [make_structured_array(r.x, r.y, r.t, r.p) for r in recordings]
    forms: dict[str, Form] = {
        "ours": lambda index: ours_in_memory(recordings[index]),
        "tonic": lambda index: tonic_frames(theirs[index]),
    }
    modules = spikingjelly()
    if modules is not None:
        columns = [{"t": r.t, "x": r.x, "y": r.y, "p": r.p} for r in recordings]
        forms["spikingjelly"] = lambda index: spikingjelly_frames(modules, columns[index])
    return forms


def same(kind: str, name: str, frames: np.ndarray, expected: np.ndarray) -> bool:
    """Whether the frames of another library equal ours, as far as its rule is the same.

    SpikingJelly has our rule. tonic drops the remainder, so its last frame is not compared; its AEDAT 2.0 reader swaps
    x and y and does not change polarity and orientation.
    """
    if kind == "aedat2" and name == "tonic":  # undoes x, y = y, x; then orients as cifar10-dvs
        frames = frames[:, ::-1, ::-1, ::-1]
    k = frames.shape[-1] // expected.shape[-1]
    shape = (*expected.shape[:3], k, expected.shape[3], k)
    summed = frames.reshape(shape).sum(axis=(3, 5))
    last = FRAMES - 1 if name == "tonic" or spikingjelly() is None else FRAMES
    return bool(np.array_equal(summed[:last], expected[:last]))


def turned(recording: Recording) -> Recording:
    return orient(recording, "cifar10-dvs")
