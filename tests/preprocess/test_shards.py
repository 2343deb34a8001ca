"""One shard: rows computed by hand from its recordings, and one error that names an unsuitable recording."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.cluster import session
from pipeline.cluster.storage import folder_storage
from pipeline.data.recording import Recording
from pipeline.data.store import rows_digest
from pipeline.download import listing
from pipeline.download.camera import write_aedat2
from pipeline.ground.errors import InputError
from pipeline.ground.params import PreprocessParams, WindowParams
from pipeline.preprocess import samples
from pipeline.preprocess.frames import to_frames
from pipeline.preprocess.recordings import orient, read_recording
from pipeline.preprocess.shards import Part, Summary, _raise_cause, make_shard, read_summary

PARAMS = PreprocessParams(split="every-fifth-tests", shards=1, frames=3, size=32, compression="none", window=None)


def record(path: Path, times: Sequence[int]) -> Path:
    """A recording with an event at each time, on pixels that follow from its place."""
    place = np.arange(len(times))
    x, y, p = place * 37 % 128, place * 101 % 128, place // 3 % 2
    write_aedat2(Recording(t=np.array(times, np.int64), x=x, y=y, p=p, width=128, height=128), path)
    return path


def part(raw: Path, params: PreprocessParams = PARAMS, *, turned: bool = False) -> Part:
    """All recordings below `raw` as one shard, labels 0, 1, ..."""
    members = listing.members(raw, (".aedat", ".bin"))
    return Part(
        target=folder_storage(raw.parent / "shards"),
        name="train-00000-of-00001.arrow",
        members=members,
        labels=list(range(len(members))),
        params=params,
        orientation="cifar10-dvs" if turned else None,
        about={"dataset": "mine"},
    )


def windowed(ms: int, min_events: int) -> PreprocessParams:
    return PARAMS.model_copy(update={"window": WindowParams(ms=ms, min_events=min_events)})


def columns(shard: Part) -> dict[str, list[object]]:
    with pa.ipc.open_file(shard.target.path(shard.name)) as file:
        table = file.read_all()
    return {name: table[name].to_pylist() for name in ("id", "label", "source_sha256")}


def pixels(shard: Part) -> np.ndarray:
    with pa.ipc.open_file(shard.target.path(shard.name)) as file:
        return file.read_all()["frames"].combine_chunks().to_numpy_ndarray()


def error_of(shard: Part) -> str:
    with pytest.raises(InputError) as error:
        make_shard(shard)
    assert shard.target.entries("") == []
    return str(error.value)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    record(tmp_path / "raw" / "a" / "1.aedat", range(0, 3000, 30))
    record(tmp_path / "raw" / "b" / "2.aedat", range(500, 5600, 100))
    return tmp_path / "raw"


@pytest.mark.parametrize("turned", [False, True])
def test_a_recording_is_a_row_of_its_frames(raw: Path, turned: bool) -> None:
    shard = part(raw, turned=turned)
    make_shard(shard)
    paths = [raw / "a" / "1.aedat", raw / "b" / "2.aedat"]
    assert columns(shard) == {
        "id": ["a/1.aedat", "b/2.aedat"],
        "label": [0, 1],
        "source_sha256": [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
    }
    expected = [to_frames(orient(read_recording(path), "cifar10-dvs" if turned else None), 3, 32) for path in paths]
    np.testing.assert_array_equal(pixels(shard), np.stack(expected))


def test_windows_are_rows_and_those_with_too_few_events_are_counted(raw: Path) -> None:
    record(raw / "b" / "2.aedat", [*range(0, 4000, 100), *range(4000, 5000, 40), 5000])
    shard = part(raw, windowed(1, 20))
    make_shard(shard)
    # a: 100 events every 30 us are 2.97 ms: two windows of 34 and 33. b: four windows of ten events, then one of 25.
    names = ["a/1.aedat@000000-000001ms", "a/1.aedat@000001-000002ms", "b/2.aedat@000004-000005ms"]
    assert columns(shard)["id"] == names
    assert pixels(shard).sum(axis=(1, 2, 3, 4)).tolist() == [34, 33, 25]
    assert read_summary(shard).counts == {
        "0": {
            "recordings": 1,
            "recordings used": 1,
            "windows": 2,
            "windows used": 2,
            "events": 100,
            "events used": 67,
            "events left out: after the last whole window": 33,
        },
        "1": {
            "recordings": 1,
            "recordings used": 1,
            "windows": 5,
            "windows used": 1,
            "windows left out: fewer than 20 events": 4,
            "events": 66,
            "events used": 25,
            "events left out: in windows of fewer than 20 events": 40,
            "events left out: after the last whole window": 1,
        },
    }


def test_the_summary_is_what_the_shard_holds(raw: Path) -> None:
    shard = part(raw)
    make_shard(shard)
    summary = read_summary(shard)
    assert (summary.labels, summary.sample_shape, summary.sensor) == ([0, 1], [3, 2, 32, 32], [128, 128])
    assert [summary.counts[label]["events used"] for label in ("0", "1")] == [100, 51]
    with pa.ipc.open_file(shard.target.path(shard.name)) as file:
        assert file.schema.metadata[b"digest"].decode() == rows_digest(summary.digests)
        assert file.schema.metadata[b"dataset"] == b"mine"


def test_a_recording_that_gives_no_row_is_an_error_that_says_why(raw: Path) -> None:
    assert error_of(part(raw, windowed(1, 1000))) == (
        "a/1.aedat: none of its 2 windows has window.min_events 1000 events, the maximum is 34; remove it, or lower "
        "window.min_events"
    )
    np.save(raw / "a" / "3.npy", np.zeros((9, 4)) + [[0, 0, 0, place] for place in range(9)])
    shard = replace(part(raw, windowed(1, 2)), members=listing.members(raw, (".npy",)), labels=[0])
    assert error_of(shard).endswith("or lower window.min_events; times of an array (N, 4) are read as milliseconds")
    assert error_of(part(raw, windowed(3, 1))) == (
        "a/1.aedat: lasts 2.97 ms, less than one window of 3 ms; remove it, or lower window.ms"
    )
    record(raw / "a" / "1.aedat", [])
    assert "event 0: a recording without events cannot be cut" in error_of(part(raw, windowed(3, 1)))


def test_a_time_that_runs_back_matters_to_windows_and_not_to_frames_of_equal_event_count(raw: Path) -> None:
    record(raw / "a" / "1.aedat", [12_345_678, *range(0, 3000, 30)])
    assert error_of(part(raw, windowed(1, 1))).startswith("a/1.aedat: event 1: time 0 after 12345678 goes back by ")
    shard = part(raw)
    make_shard(shard)
    assert pixels(shard).sum(axis=(2, 3, 4)).tolist() == [[33, 33, 35], [17, 17, 17]]


def test_events_outside_of_the_square_are_left_out_and_counted(raw: Path) -> None:
    """Frames of 60 x 60 take the centred 120 x 120 of 128 x 128 pixels."""
    shard = part(raw, PARAMS.model_copy(update={"size": 60}))
    make_shard(shard)
    place = np.arange(100)
    inside = int((np.abs(place * 37 % 128 - 63.5) < 60)[np.abs(place * 101 % 128 - 63.5) < 60].sum())
    counts = read_summary(shard).counts["0"]
    assert (counts["events"], counts["events used"]) == (100, inside)
    assert counts["events left out: outside of the centred square that is framed"] == 100 - inside > 0
    cut = part(raw, windowed(1, 1).model_copy(update={"size": 60}))
    make_shard(cut)
    counts = read_summary(cut).counts["0"]
    assert sum(number for name, number in counts.items() if name.startswith("events left out: ")) > 100 - inside
    assert counts["events used"] == pixels(cut)[:2].sum()


def test_frames_that_lack_an_event_end_the_stage(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = samples.frames_of_bytes

    def lose(*arguments: Any) -> Any:
        frames, seen = made(*arguments)
        frames.flat[np.flatnonzero(frames)[0]] -= 1
        return frames, seen

    monkeypatch.setattr(samples, "frames_of_bytes", lose)
    with pytest.raises(
        AssertionError, match=r"a/1\.aedat: used and left out do not sum to the number found of \['events'\]: "
    ):
        make_shard(part(raw))


def test_a_suffix_in_capitals_is_the_same_format(raw: Path) -> None:
    before = part(raw)
    make_shard(before)
    expected = pixels(before)
    (raw / "b" / "2.aedat").rename(raw / "b" / "2.AEDAT")
    shard = replace(before, members=[*before.members[:1], listing.Member("b/2.AEDAT", 1, raw / "b" / "2.AEDAT", None)])
    make_shard(shard)
    np.testing.assert_array_equal(pixels(shard), expected)


def test_a_damaged_recording_is_named_and_no_shard_stays(raw: Path) -> None:
    path = raw / "b" / "2.aedat"
    path.write_bytes(path.read_bytes()[:-3])
    assert error_of(part(raw)).startswith("b/2.aedat: byte ")


def test_a_recording_without_events_is_named(raw: Path) -> None:
    record(raw / "b" / "2.aedat", [])
    text = "b/2.aedat: event 0: a recording without events cannot be framed; remove it or fetch it again"
    assert error_of(part(raw)) == text


def test_two_cameras_in_one_shard_are_refused(raw: Path) -> None:
    (raw / "b" / "3.bin").write_bytes(bytes([1, 2, 0, 0, 9]) * 5)
    text = error_of(part(raw, PARAMS.model_copy(update={"size": 2})))
    assert text == (
        "b/3.bin: a sensor of 34 x 34 pixels, a/1.aedat has 128 x 128; make a separate dataset for each size"
    )


def test_two_cameras_in_two_shards_are_refused() -> None:
    made = {"labels": [0], "digests": ["a"], "contents": [], "sample_shape": [3, 2, 2, 2]}
    one = Summary(**made, counts={"0": {"events": 3}}, sensor=[34, 34])
    other = Summary(**made | {"labels": [1]}, counts={"0": {"events": 4}, "1": {"events": 5}}, sensor=[34, 34])
    together = Summary.together([one, other])
    assert (together.labels, together.digests, together.sensor) == ([0, 1], ["a", "a"], [34, 34])
    assert together.counts == {"0": {"events": 7}, "1": {"events": 5}}
    with pytest.raises(InputError, match="sensors of different sizes, 34 x 34, 128 x 128; make a separate dataset for"):
        Summary.together([one, replace(other, sensor=[128, 128])])


def test_a_process_that_dies_again_and_again_is_one_error(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: object) -> None:
        raise session.ray.exceptions.WorkerCrashedError

    monkeypatch.setattr(session.ray, "get", crash)
    with pytest.raises(InputError, match=r"^a/1\.aedat to b/2\.aedat: the process that read them died"):
        _raise_cause(None, part(raw))
