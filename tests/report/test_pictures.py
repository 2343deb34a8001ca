"""Event frames as pictures: colour is the polarity, opacity the number of events."""

import base64
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.ground.errors import InputError
from pipeline.report.pictures import GAP, OFF, ON, examples, image, strip
from tests.evaluate.made import ABOUT, Predictions
from tests.report.made import write_pictures


def tensor(values: np.ndarray) -> pa.FixedShapeTensorArray:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(values)


def test_colour_and_opacity_by_hand() -> None:
    frames = np.zeros((1, 2, 2, 2), dtype=np.uint8)
    frames[0, 1, 0, 0] = 4  # four ON events
    frames[0, 0, 1, 1] = 2  # two OFF events
    picture = strip(frames)
    assert picture.shape == (2, 2, 4)
    assert tuple(picture[0, 0, :3]) == ON
    assert tuple(picture[1, 1, :3]) == OFF
    assert picture[0, 0, 3] == 255
    assert 120 <= picture[1, 1, 3] <= 130
    assert picture[0, 1, 3] == picture[1, 0, 3] == 0


def test_many_frames_become_eight_with_the_first_and_the_last() -> None:
    frames = np.zeros((50, 2, 4, 4), dtype=np.uint16)
    frames[0, 1, 0, 0] = frames[49, 1, 3, 3] = 300
    picture = strip(frames)
    assert picture.shape == (4, 8 * (4 + GAP) - GAP, 4)
    assert picture[0, 0, 3] == picture[3, -1, 3] == 255


def test_a_silent_recording_is_transparent() -> None:
    assert not strip(np.zeros((3, 2, 4, 4), dtype=np.uint8))[..., 3].any()


def test_grey_and_colour_images() -> None:
    grey = np.full((1, 2, 2), 7, dtype=np.uint8)
    assert image(grey).tolist() == [[[7, 7, 7, 255]] * 2] * 2
    colour = np.arange(3, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    assert image(colour)[0, 0].tolist() == [0, 1, 2, 255]


PREDICTIONS = Predictions(
    about=ABOUT,
    ids=["a", "1/0007"],
    labels=np.array([0, 1]),
    voltage=np.array([[[1, 0, 0]], [[1, 0, 0]]], np.float32),
)


def test_examples_are_pictures_with_their_names(tmp_path: Path) -> None:
    pixels = np.ones((1, 1, 8, 8), dtype=np.uint8)
    write_pictures(tmp_path / "e.parquet", pixels, ["1/0007"], [1], [0])
    (example,) = examples(tmp_path / "e.parquet", PREDICTIONS)
    assert (example.id, example.label, example.predicted, example.frames) == ("1/0007", "b", "a", 1)
    content = base64.b64decode(example.address.removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(content)).size == (8, 8)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"id": ["a"]}),
        pa.table({"id": ["a"], "label": [0], "predicted": [0], "pixels": [1.0]}),
        pa.table({"id": ["a"], "label": [0], "predicted": [0], "pixels": tensor(np.zeros((1, 5, 4, 4), np.uint8))}),
        pa.table({"id": ["a"], "pixels": tensor(np.full((1, 1, 4, 4), np.nan, np.float32))}),
        pa.table({"id": ["a"], "pixels": tensor(np.full((1, 1, 4, 4), 256, np.uint16))}),
        pa.table({"id": ["a"], "pixels": tensor(np.zeros((1, 2, 2, 4, 4), np.int8))}),
        pa.table({"id": ["no sample"], "pixels": tensor(np.zeros((1, 1, 4, 4), np.uint8))}),
    ],
)
def test_other_tables_are_one_error(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(InputError, match=r"e\.parquet: no examples of a test split, or damaged \(.*evaluate again"):
        examples(tmp_path / "e.parquet", PREDICTIONS)


def test_a_damaged_and_a_missing_file_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"e\.parquet: no examples of a test split, or damaged"):
        examples(tmp_path / "e.parquet", PREDICTIONS)
    with pytest.raises(InputError, match="none: not found; the stage `evaluate` makes it"):
        examples(tmp_path / "none", PREDICTIONS)
