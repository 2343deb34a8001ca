"""Recordings for the benchmarks: real ones from a folder, or from the project's simulated camera."""

import zipfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from pipeline.data.recording import Recording
from pipeline.download.camera import simulate, write_aedat2
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.params import CameraParams
from pipeline.preprocess.nmnist import NMNIST
from pipeline.preprocess.recordings import read_recording
from pipeline.preprocess.windows import select_events

EVENTS = 200_000
"""Events per recording, about as many as in CIFAR10-DVS."""
CAMERA = CameraParams(
    recordings_per_class=1,
    loops=2,
    loop_ms=100,
    amplitude_pixels=12,
    contrast_threshold=0.2,
    threshold_mismatch=0.03,
    refractory_us=100,
    noise_hz=1.0,
    seed=0,
)
"""Sensitive enough for EVENTS events per digit."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files of each format below one folder."""

    description: str
    aedat2: list[Path]
    nmnist: list[Path]
    aedat4: list[Path] | None
    """None if dv-processing, which writes them, is not installed."""
    dat: list[Path] | None
    evt2: list[Path] | None
    evt3: list[Path] | None
    """None if faery, which writes them, is not installed."""


def make_inputs(data: Path | None, folder: Path, *, recordings: int, events: int = EVENTS) -> Inputs:
    """Writes the benchmark's files into `folder`, from recordings in `data` or simulated ones.

    Raises InputError.
    """
    if data is None:
        made = [cut(recording, events) for recording in simulated(recordings)]
        description = f"simulated: {recordings} digits before a simulated DVS128, cut to {events} events"
        small = nmnist_like(made, folder / "nmnist")
    else:
        made = [cut(read_recording(path), events) for path in real(data, recordings)]
        description = f"real: {len(made)} recordings of {data.name}/dvs-objects cut to {events} events; nmnist-small"
        small = nmnist_files(data / "nmnist-small" / "test.zip", folder / "nmnist")
    paths = [folder / f"{index:02}.aedat" for index in range(len(made))]
    for recording, path in zip(made, paths, strict=True):
        write_aedat2(recording, path)
    return Inputs(
        description=description,
        aedat2=paths,
        nmnist=small,
        aedat4=aedat4(made, folder / "aedat4"),
        dat=prophesee(made, folder / "dat", "dat2", ".dat"),
        evt2=prophesee(made, folder / "evt2", "evt2", ".raw"),
        evt3=prophesee(made, folder / "evt3", "evt3", ".raw"),
    )


def simulated(number: int) -> list[Recording]:
    """Recordings of the first digits by a sensitive simulated DVS128, each with at least EVENTS events."""
    images = load_digits().images[:number]
    return [simulate((image * 255 // 16).astype(np.uint8), CAMERA, index=i) for i, image in enumerate(images)]


def real(data: Path, most: int) -> list[Path]:
    found = sorted(data.glob("dvs-objects/*/*.aedat"))[:most]
    if not found:
        raise InputError(f"{data}: expected recordings dvs-objects/*/*.aedat and nmnist-small/test.zip in it")
    return found


def cut(recording: Recording, events: int) -> Recording:
    return select_events(recording, slice(0, events))


def nmnist_files(archive: Path, folder: Path) -> list[Path]:
    """The recordings of one of N-MNIST's archives, as files."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".bin"))
        return [_write(folder / name.replace("/", "-"), file.read(name)) for name in names]


def nmnist_like(recordings: list[Recording], folder: Path) -> list[Path]:
    """Ten files per recording with up to 4,000 events each, mapped to N-MNIST's sensor of 34 x 34 pixels."""
    paths = []
    for index, recording in enumerate(recordings):
        each = min(4000, len(recording) // 10)
        for piece in range(10):
            events = select_events(recording, slice(piece * each, piece * each + each))
            columns = (events.x * NMNIST // 128, events.y * NMNIST // 128, events.p << 7, events.t * 0, events.t * 0)
            content = np.stack(columns, axis=1).astype(np.uint8).tobytes()
            paths.append(_write(folder / f"{index:02}-{piece}.bin", content))
    return paths


def aedat4(recordings: list[Recording], folder: Path) -> list[Path] | None:
    """The recordings as AEDAT 4 (LZ4), written by dv-processing; sorted by time, which it requires."""
    if find_spec("dv_processing") is None:
        return None
    import dv_processing as dv

    folder.mkdir(parents=True)
    paths = [folder / f"{index:02}.aedat4" for index in range(len(recordings))]
    for recording, path in zip(recordings, paths, strict=True):
        store, resolution = dv.EventStore(), (recording.width, recording.height)
        ordered = replace(recording, t=np.maximum.accumulate(recording.t))
        for event in zip(ordered.t.tolist(), ordered.x.tolist(), ordered.y.tolist(), ordered.p.tolist(), strict=True):
            store.push_back(*event)
        writer = dv.io.MonoCameraWriter(
            str(path), dv.io.MonoCameraWriter.EventOnlyConfig("DVS128", resolution, dv.CompressionType.LZ4)
        )
        writer.writeEvents(store)
        del writer  # which closes the file
    return paths


def prophesee(recordings: list[Recording], folder: Path, version: str, suffix: str) -> list[Path] | None:
    """The recordings in one of Prophesee's formats, written by faery; sorted by time, which it requires."""
    if find_spec("faery") is None:
        return None
    import faery

    paths = [folder / f"{index:02}{suffix}" for index in range(len(recordings))]
    for recording, path in zip(recordings, paths, strict=True):
        t = np.maximum.accumulate(recording.t)
        events = np.zeros(len(recording), faery.EVENTS_DTYPE)
        for name, column in (("t", t - t[0]), ("x", recording.x), ("y", recording.y), ("p", recording.p)):
            events[name] = column
        stream = faery.events_stream_from_array(events, (recording.width, recording.height))
        stream.to_file(path, version=version)
    return paths


def _write(path: Path, content: bytes) -> Path:
    write_whole(path, content)
    return path
