"""Our N-MNIST reader and frames equal tonic's on random events, except where tonic is wrong.

Its reader of AEDAT 2.0 is not tried: in tonic 1.7 it fails on every file (`too many values to unpack`).
"""

from pathlib import Path

import numpy as np
import pytest
import tonic
from tonic.io import make_structured_array, read_mnist_file

from pipeline.data.recording import Recording
from pipeline.preprocess.frames import to_frames
from pipeline.preprocess.recordings import read_recording

EVENTS = 4000


@pytest.fixture
def recording() -> Recording:
    drawn = np.random.default_rng(7)
    time = np.sort(drawn.integers(0, 1_000_000, EVENTS))
    x, y, p = (drawn.integers(0, high, EVENTS) for high in (128, 128, 2))
    return Recording(t=time, x=x, y=y, p=p, width=128, height=128)


def columns(events: np.ndarray) -> list[list[int]]:
    return [events[name].astype(np.int64).tolist() for name in "txyp"]


def ours(recording: Recording) -> list[list[int]]:
    return [values.tolist() for values in (recording.t, recording.x, recording.y, recording.p)]


def test_nmnist(tmp_path: Path) -> None:
    path = tmp_path / "00001.bin"
    drawn = np.random.default_rng(8).integers(0, 34, (500, 5)).astype(np.uint8)  # no y of 240, which marks an overflow
    path.write_bytes(drawn.tobytes())
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    assert columns(read_mnist_file(str(path), dtype)) == ours(read_recording(path))


@pytest.mark.parametrize("frames", [1, 8, 50])
def test_frames_where_no_event_is_left_over(recording: Recording, frames: int) -> None:
    assert EVENTS % frames == 0, "tonic drops the remainder, the paper's rule gives it to the last frame"
    events = make_structured_array(recording.x, recording.y, recording.t, recording.p)
    theirs = tonic.transforms.ToFrame(sensor_size=(128, 128, 2), n_event_bins=frames)(events)
    assert np.array_equal(theirs, to_frames(recording, frames, 128))
