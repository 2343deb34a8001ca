"""Recordings in Parquet files: three layouts give the same rows; another layout or a wrong row is named."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.store import Manifest, Store
from pipeline.download import listing
from pipeline.ground.errors import InputError
from pipeline.ground.params import WindowParams
from pipeline.preprocess.parquet_events import RowReader, event_rows, read_event_table
from tests.preprocess.aedat4 import Event
from tests.preprocess.made import PARAMS, download, error_of, run
from tests.preprocess.parquet_files import names_of

SENSOR = (64, 64)
ROWS = PARAMS.model_copy(update={"split": "official", "sensor": SENSOR, "frames": 2, "size": 32})
NAMES = ("t", "x", "y", "p")


def recording(seed: int, *, events: int = 8) -> list[Event]:
    """t, x, y, p; 1 ms apart."""
    return [(1000 * k, (seed + 5 * k) % 64, (3 * seed + k) % 64, (seed + k) % 2) for k in range(events)]


def columns(recordings: list[list[Event]]) -> dict[str, pa.Array]:
    """Four columns of lists."""
    kinds = (pa.int64(), pa.int16(), pa.int16(), pa.uint8())
    return {
        name: pa.array([[event[place] for event in events] for events in recordings], pa.list_(kind))
        for place, (name, kind) in enumerate(zip(NAMES, kinds, strict=True))
    }


def struct_of_lists(recordings: list[list[Event]]) -> dict[str, pa.Array]:
    return {"events": pa.StructArray.from_arrays(list(columns(recordings).values()), NAMES)}


def list_of_structs(recordings: list[list[Event]]) -> dict[str, pa.Array]:
    kind = pa.struct([("x", pa.int32()), ("y", pa.int32()), ("timestamp", pa.float64()), ("polarity", pa.bool_())])
    rows = [[{"x": x, "y": y, "timestamp": float(t), "polarity": p == 1} for t, x, y, p in one] for one in recordings]
    return {"events": pa.array(rows, pa.list_(kind))}


LAYOUTS = [columns, struct_of_lists, list_of_structs]


def write(path: Path, content: dict[str, Any], labels: list[int], **options: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(content | {"label": pa.array(labels)}), path, **options)


def dataset(folder: Path, layout: Any = columns, *, zipped: bool = False) -> Path:
    """Three files of three recordings each; labels 0, 1, 0."""
    for name, first in (("train-00000-of-00002", 0), ("train-00001-of-00002", 3), ("test-00000-of-00001", 6)):
        seeds = range(first, first + 3)
        write(folder / f"{name}.parquet", layout([recording(seed) for seed in seeds]), [0, 1, 0], row_group_size=2)
    if zipped:
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for path in sorted(folder.glob("*.parquet")):
                archive.write(path, path.name)
                path.unlink()
    return folder


def made(source: Path, into: Path, params: Any = ROWS) -> list[Manifest]:
    return run(download(source, into / "raw", "parquet-recordings"), into, params)


def frames_of(events: list[Event], number: int) -> np.ndarray:
    """Counts in 2 x 2 pixels, event by event."""
    counted = np.zeros((number, 2, 32, 32), np.int64)
    for k, (_, x, y, p) in enumerate(events):
        counted[k * number // len(events), p, y // 2, x // 2] += 1
    return counted


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_row_of_each_layout_is_a_recording(tmp_path: Path, layout: Any) -> None:
    train, test = made(dataset(tmp_path / "source", layout), tmp_path)
    assert (train.rows, test.rows, train.classes, train.sensor) == (6, 3, ["0", "1"], [64, 64])
    assert train.counts == {
        "0": {"events": 32, "events used": 32, "recordings": 4, "recordings used": 4},
        "1": {"events": 16, "events used": 16, "recordings": 2, "recordings used": 2},
    }
    store = Store(tmp_path / "arrow" / "mine", "train")
    assert store.ids[2:4] == ["train-00000-of-00002.parquet/00000002", "train-00001-of-00002.parquet/00000000"]
    assert np.array_equal(store.read(np.arange(6)), [frames_of(recording(seed), 2) for seed in range(6)])


def test_all_layouts_and_an_archive_give_the_same_digest(tmp_path: Path) -> None:
    digests = {
        made(dataset(tmp_path / f"{k}" / "source", layout, zipped=zipped), tmp_path / f"{k}")[0].digest
        for k, (layout, zipped) in enumerate([*((layout, False) for layout in LAYOUTS), (columns, True)])
        if (tmp_path / f"{k}").mkdir() is None
    }
    assert len(digests) == 1


def test_the_classes_are_named_by_the_metadata(tmp_path: Path) -> None:
    source = dataset(tmp_path / "source")
    for path in source.iterdir():
        metadata = {"huggingface": '{"info": {"features": ' + str(names_of("cup", "pen")).replace("'", '"') + "}}"}
        pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    assert made(source, tmp_path)[0].classes == ["cup", "pen"]


def test_a_row_is_cut_into_windows(tmp_path: Path) -> None:
    window = ROWS.model_copy(update={"window": WindowParams(ms=3, min_events=1)})
    train, _ = made(dataset(tmp_path / "source"), tmp_path, window)
    assert (train.rows, train.counts and train.counts["1"]["events left out: after the last whole window"]) == (12, 4)


BAD = [
    ({"pixels": pa.array([[1]])}, "columns pixels: list<element: int64>, label: int64; expected columns t (microse"),
    (columns([recording(0)]) | {"ts": pa.array([[1]])}, "columns t: list<element: int64>, x: list<element: int16>,"),
    (columns([recording(0)]) | struct_of_lists([recording(0)]), "columns t: list<element: int64>, x: list<element:"),
    ({"events": pa.array([[[1, 2, 3, 0]]])}, "columns events: list<element: list<element: int64>>, label: int64; exp"),
    (dict.fromkeys(NAMES, pa.array([1])), "columns t: int64, x: int64, y: int64, p: int64, label: int64; expected"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_another_layout_says_what_was_found_and_expected(tmp_path: Path, content: Any, message: str) -> None:
    source = dataset(tmp_path / "source")
    write(source / "test-00000-of-00001.parquet", content, [0])
    text = error_of(lambda: made(source, tmp_path))
    assert text.startswith(f"test-00000-of-00001.parquet: {message}")
    assert "list<struct<t, x, y, p>>, and an integer column label or fine_label" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [[1, 64]]}, "event 1: x 64, y 1, polarity 1 is outside the sensor of 64 x 64;"),
        ({"x": [[1]]}, "byte 0: columns of different lengths: t 2, x 1, y 2, p 2;"),
        ({"t": [[1, None]]}, "event 1: t is nan, expected a whole number (microseconds);"),
        ({"t": [[1, -1]]}, "event 1: time -1, expected microseconds from 0 to 2^60;"),
        ({name: [None] for name in NAMES}, "event 0: a recording without events cannot be framed;"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    source = dataset(tmp_path / "source")
    good: dict[str, Any] = {name: [[1, 1]] for name in NAMES}
    content = {name: pa.array(column, pa.list_(pa.int64())) for name, column in (good | change).items()}
    twice = {name: pa.concat_arrays([pa.array([[1, 1]], pa.list_(pa.int64())), one]) for name, one in content.items()}
    write(source / "test-00000-of-00001.parquet", twice, [0, 1])
    text = error_of(lambda: made(source, tmp_path))
    assert text.startswith(("test-00000-of-00001.parquet: row 1: ", "test-00000-of-00001.parquet/00000001: "))
    assert message in text


def test_the_sensor_is_stated_and_streams_are_not_chosen(tmp_path: Path) -> None:
    source = dataset(tmp_path / "source")
    without = ROWS.model_copy(update={"sensor": None})
    assert "row 0: byte 0: the file does not say how large its sensor is; state its width" in error_of(
        lambda: made(source, tmp_path, without)
    )
    assert "preprocess.stream: a row of a Parquet file has one stream; set it to null" in error_of(
        lambda: run(tmp_path / "raw", tmp_path, ROWS.model_copy(update={"stream": 1}))
    )


def test_lists_that_inflate_are_refused_before_they_are_read(tmp_path: Path) -> None:
    source = dataset(tmp_path / "source")
    many = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(9_000_000, np.int8)), 9_000_000)
    content = {name: many.cast(pa.list_(pa.int8())) for name in NAMES}
    write(source / "test-00000-of-00001.parquet", content, [0], compression="zstd")
    assert "36000001 numbers would grow from" in error_of(lambda: made(source, tmp_path))


def test_each_wrong_byte_of_a_file_is_recordings_or_an_input_error(tmp_path: Path) -> None:
    path, refused = tmp_path / "test-0.parquet", 0
    write(path, columns([recording(seed) for seed in range(3)]), [0, 1, 0], row_group_size=2)
    good = path.read_bytes()
    for place in range(0, len(good), 3):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        reader, (member,) = RowReader(), listing.members(tmp_path, (".parquet",))
        try:
            assert all(len(reader.read(row, SENSOR)) < 100 for row in event_rows([read_event_table(member)]))
        except InputError as error:
            assert "test-0.parquet: " in str(error)  # noqa: PT017 - some wrong bytes are events
            refused += 1
    assert refused > 100
