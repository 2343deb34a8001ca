"""Recordings and images always give the same bytes, or one error and no output."""

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.store import VERSION, Manifest, Store
from pipeline.download import listing
from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import fetch
from pipeline.ground import files
from pipeline.ground.params import DownloadParams, FolderSplit, WindowParams
from pipeline.preprocess import shards as making
from pipeline.preprocess.frames import FRAMING_RULE, to_frames
from pipeline.preprocess.preprocess import _check_counts, in_lines
from pipeline.preprocess.recordings import read_recording
from tests.preprocess.made import PARAMS, TITLE, Files, contents, download, error_of, record, run
from tests.preprocess.written import nmnist
from tests.train.tiny import ONE

IMAGES = PARAMS.model_copy(update={"frames": None, "size": None})
GOLDEN = {
    "train": "fdb87c10d0346d3ada0366eeba0edc2e643490017d30e365afc073656c6bc5e5",
    "test": "20284699fca360004b0bc35e43979fbd787201ba8703e17596c6467d99e9633d",
}
"""Digests of all rows."""


def metadata(shard: Path) -> dict[str, str]:
    with pa.ipc.open_file(str(shard)) as file:
        return {key.decode(): value.decode() for key, value in file.schema.metadata.items()}


def test_a_dataset_is_its_shards_and_a_manifest_a_split(expected: Files) -> None:
    names = [f"{split}-{index:05}-of-00003.arrow" for split in ("train", "test") for index in range(3)]
    assert sorted(expected) == sorted(
        f"arrow/mine/{name}" for name in [*names, "train.json", "test.json", "contents.arrow"]
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_manifest_and_every_shard_say_what_they_are(
    raw: Path, tmp_path: Path, split: Literal["train", "test"]
) -> None:
    run(raw, tmp_path)
    store, rows = Store(tmp_path / "arrow" / "mine", split), {"train": 16, "test": 4}[split]
    assert store.manifest == Manifest(
        version=VERSION,
        dataset="mine",
        title=TITLE,
        note="not a published dataset: its numbers stand beside no published ones",
        licence="the user's",
        citation=CATALOG["recordings"].citation,
        published=False,
        kind="frames",
        split=split,
        split_rule="every-fifth-tests",
        framing_rule=FRAMING_RULE,
        scale=0.25,
        classes=["cup", "mug"],
        sample_shape=[4, 2, 64, 64],
        shards=3,
        rows=rows,
        rows_per_class=[rows // 2, rows // 2],
        digest=GOLDEN[split],
        sensor=[128, 128],
        counts={
            name: {
                "events": rows // 2 * 500,
                "events used": rows // 2 * 500,
                "recordings": rows // 2,
                "recordings used": rows // 2,
            }
            for name in ("cup", "mug")
        },
        framing={"num_frames": 4, "size": 64, "orientation": None, "sensor": None, "stream": None, "window": None},
    )
    said = [metadata(path) for path in sorted((tmp_path / "arrow" / "mine").glob(f"{split}-*.arrow"))]
    assert sum(int(shard.pop("rows")) for shard in said) == rows
    assert len({shard.pop("digest") for shard in said}) == 3
    assert said == 3 * [
        {
            "dataset": "mine",
            "title": TITLE,
            "split": split,
            "split_rule": "every-fifth-tests",
            "framing_rule": FRAMING_RULE,
            "classes": '["cup", "mug"]',
            "version": str(VERSION),
        }
    ]


def test_each_row_is_the_frames_of_its_recording(raw: Path, tmp_path: Path) -> None:
    run(raw, tmp_path)
    splits = [Store(tmp_path / "arrow" / "mine", split) for split in ("train", "test")]
    assert splits[1].ids == ["cup/09.aedat", "cup/19.aedat", "mug/08.aedat", "mug/18.aedat"]
    assert sorted(splits[0].ids + splits[1].ids) == sorted(member.id for member in listing.members(raw, (".aedat",)))
    for store in splits:
        frames = np.stack([to_frames(read_recording(raw / name), 4, 64) for name in store.ids])
        np.testing.assert_array_equal(store.read(np.arange(len(store))), frames)
        assert store.labels.tolist() == [("cup", "mug").index(name[:3]) for name in store.ids]


@pytest.mark.parametrize(("shards", "compression"), [(1, "none"), (100, "none"), (2, "zstd")])
def test_neither_shards_nor_compression_change_what_is_read(
    raw: Path, tmp_path: Path, shards: int, compression: str
) -> None:
    manifests = run(raw, tmp_path, PARAMS.model_copy(update={"shards": shards, "compression": compression}))
    assert {manifest.split: manifest.digest for manifest in manifests} == GOLDEN
    assert [manifest.shards for manifest in manifests] == [min(shards, 16), min(shards, 4)]


def test_windows_that_are_left_out_are_counted(raw: Path, tmp_path: Path) -> None:
    """500 events every 100 us last 49.9 ms: two windows of 20 ms hold 200 each."""
    window = PARAMS.model_copy(update={"window": WindowParams(ms=20, min_events=200)})
    train, test = run(raw, tmp_path / "all", window)
    assert (train.rows, test.rows) == (32, 8)
    assert Store(tmp_path / "all" / "arrow" / "mine", "test").ids[:2] == [
        "cup/09.aedat@000000-000020ms",
        "cup/09.aedat@000020-000040ms",
    ]
    rest = "left out: after the last whole window"
    of_class = f"recordings: 2 (all used); windows: 4 (all used); events: 1,000 (800 used, 200 {rest})"
    assert in_lines(test) == [
        "mine: test: 8 samples of 2 classes",
        f"  recordings: 4 (all used); windows: 8 (all used); events: 2,000 (1,600 used, 400 {rest})",
        f"  cup: {of_class}",
        f"  mug: {of_class}",
    ]
    none = PARAMS.model_copy(update={"window": WindowParams(ms=20, min_events=201)})
    assert "none of its 2 windows has window.min_events 201" in error_of(lambda: run(raw, tmp_path / "none", none))


def test_a_part_of_the_sensor_is_said(raw: Path, tmp_path: Path) -> None:
    train, _ = run(raw, tmp_path, PARAMS.model_copy(update={"size": 48}))
    assert train.framing_rule == (
        f"{FRAMING_RULE}; of the centred square of 96 x 96 of 128 x 128 pixels, whose events alone are the N"
    )
    assert (train.scale, train.sensor, in_lines(train)[2]) == (0.25, [128, 128], f"  framing: {train.framing_rule}")
    assert train.counts is not None
    pixels = Store(tmp_path / "arrow" / "mine", "train").read(np.arange(16))
    assert sum(counts["events used"] for counts in train.counts.values()) == pixels.sum() < 16 * 500


def test_a_split_without_a_class_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for name, number in (("cup", 5), ("jug", 4), ("mug", 5)):
        for seed in range(number):
            record(tmp_path / "source" / name / f"{seed}.aedat", seed)
    text = error_of(lambda: run(download(tmp_path / "source", tmp_path / "raw"), tmp_path))
    assert text.startswith(
        "no recording of class jug in test (3 classes: cup, jug, mug); each class needs recordings in"
    )
    assert not list(tmp_path.rglob("*.arrow"))


def test_a_sensor_of_the_test_split_that_trains_nowhere_is_refused(tmp_path: Path) -> None:
    for seed in range(4):
        record(tmp_path / "source" / "cup" / f"{seed}.aedat", seed)
    (tmp_path / "source" / "cup" / "4.bin").write_bytes(bytes([1, 2, 0, 0, 9]) * 5)
    raw = download(tmp_path / "source", tmp_path / "raw")
    text = error_of(lambda: run(raw, tmp_path, PARAMS.model_copy(update={"size": 34})))
    assert text.startswith("the recordings come from sensors of different sizes, 34 x 34, 128 x 128;")


def test_counts_that_do_not_agree_end_the_stage(raw: Path, tmp_path: Path) -> None:
    train, _ = run(raw, tmp_path)
    _check_counts(train)
    for wrong in ({"recordings": 9}, {"events": 1}, {"events left out: invalid": 1}, {"windows": 1}):
        counts = {name: {**numbers, **wrong} for name, numbers in (train.counts or {}).items()}
        with pytest.raises(AssertionError, match="mine: train: cup: "):
            _check_counts(replace(train, counts=counts))
    with pytest.raises(AssertionError, match="mine: train: mug has 7 rows"):
        _check_counts(replace(train, rows_per_class=[8, 7]))


def test_a_run_that_ends_while_it_moves_its_shards_can_be_repeated(raw: Path, tmp_path: Path, expected: Files) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_put", stop)
        with pytest.raises(KeyboardInterrupt):
            run(raw, tmp_path)
    assert not (tmp_path / "arrow").exists()
    run(raw, tmp_path)
    assert contents(tmp_path) == expected


def test_a_new_result_takes_the_place_of_the_old_one_whole(raw: Path, tmp_path: Path, expected: Files) -> None:
    run(raw, tmp_path, PARAMS.model_copy(update={"shards": 5}))
    run(raw, tmp_path)
    assert contents(tmp_path) == expected


def test_an_error_keeps_the_old_result(raw: Path, tmp_path: Path, expected: Files) -> None:
    run(raw, tmp_path)
    error_of(lambda: run(raw, tmp_path, PARAMS.model_copy(update={"size": 256})))
    assert {name: content for name, content in contents(tmp_path).items() if name.startswith("arrow/")} == expected


def test_unfinished_shards_of_other_parameters_are_not_taken(raw: Path, tmp_path: Path, expected: Files) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.preprocess.preprocess.read_summary", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(raw, tmp_path, PARAMS.model_copy(update={"size": 32}))
    assert len(list((tmp_path / "work").rglob("*.arrow"))) == 6
    (tmp_path / "work" / "mine-too-0123456789abcdef").mkdir()
    run(raw, tmp_path)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["mine-too-0123456789abcdef"], "of another dataset"
    assert contents(tmp_path / "arrow") == {name.removeprefix("arrow/"): data for name, data in expected.items()}


def test_images_need_no_ray_and_say_what_they_are(tmp_path: Path) -> None:
    raw = download(tmp_path, tmp_path / "raw", "digits")
    manifests = run(raw, tmp_path, IMAGES.model_copy(update={"shards": 2}))
    assert [(manifest.rows, manifest.shards) for manifest in manifests] == [(1442, 2), (355, 2)]
    store = Store(tmp_path / "arrow" / "mine", "test")
    assert (store.kind, store.scale, store.sample_shape) == ("images", 1 / 255, (1, 32, 32))
    assert store.manifest.framing_rule is None
    assert store.manifest.rows_per_class == np.bincount(store.labels).tolist()
    said = metadata(tmp_path / "arrow" / "mine" / "test-00000-of-00002.arrow")
    assert (said["framing_rule"], said["title"], json.loads(said["classes"])) == ("none", "Digits", list("0123456789"))
    assert not any((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("catalog", "changes", "text"),
    [
        ("recordings", {"frames": None}, "frames and size must be numbers for recordings"),
        ("recordings", {"size": None}, "frames and size must be numbers for recordings"),
        ("recordings", {"size": 256}, "need at least that many; set preprocess.size to 128 or less"),
        ("recordings", {"split": "paper"}, "preprocess.split 'paper': expected one of every-fifth-tests"),
        (
            "recordings",
            {"split": FolderSplit(train="cup", test="jug")},
            "mug/00.aedat: is in mug; expected cup",
        ),
        ("digits", {}, "frames and size must be null for images (Digits)"),
        ("digits", {"stream": 1, "frames": None, "size": None}, "stream: only the user's own recordings have it; set"),
        ("recordings", {"stream": 1}, "preprocess.stream is 1, but a file of this format has one stream; set it to nu"),
        ("digits", {"window": WindowParams(ms=1, min_events=1), "frames": None, "size": None}, "set it to null"),
    ],
)
def test_parameters_that_do_not_fit_are_one_error_and_nothing_is_written(
    raw: Path, tmp_path: Path, catalog: str, changes: dict[str, Any], text: str
) -> None:
    source = raw if catalog == "recordings" else download(tmp_path, tmp_path / "raw", "digits")
    assert text in error_of(lambda: run(source, tmp_path, PARAMS.model_copy(update=changes)))
    assert not (tmp_path / "arrow").exists()


def test_without_a_download_the_error_names_the_stage(tmp_path: Path) -> None:
    assert error_of(lambda: run(tmp_path, tmp_path)) == (
        f"{tmp_path / 'SOURCE.json'}: not found; run the stage `download` first"
    )


def test_workers_on_ray_take_over_where_gpus_are_asked_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards are made on CPUs."""
    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(making.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(making, "make_shard", lambda part: None)
    monkeypatch.setattr(making, "_on_ray", lambda parts, cluster: iter([("on Ray", part) for part in parts]))
    cluster = ONE.model_copy(update={"workers": "auto", "gpus_per_worker": 1})
    parts: list[Any] = ["a", "b", "c"]
    assert list(making.one_by_one(parts, cluster)) == ["a", ("on Ray", "b"), ("on Ray", "c")]


def test_after_an_error_only_long_tasks_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray may abort the process if a task ends just when it is cancelled."""
    import ray

    did = list[Any]()

    def wait(tasks: list[str], *, num_returns: int, timeout: float | None = None) -> tuple[list[str], list[str]]:
        did.append((tasks, num_returns, timeout))
        return [task for task in tasks if task == "short"], [task for task in tasks if task == "long" and timeout]

    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(ray, "cancel", lambda task, force: did.append((task, force)))
    making._end(["short", "long"])
    assert did == [(["short", "long"], 2, making.SHORT_SECONDS), ("long", True), (["long"], 1, None)]


def test_the_sensor_of_a_published_dataset_is_the_catalogs(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with zipfile.ZipFile(tmp_path / "source" / "Caltech101.zip", "w") as archive:
        for number in range(10):
            name = f"Caltech101/{('chair', 'cup')[number % 2]}/image_{number:04}.bin"
            archive.writestr(name, nmnist((239, 179, 1, number), (120, 90, 0, number + 1)))
    entry = DownloadParams(catalog="ncaltech101", source=str(tmp_path / "source"), altered=True)
    (tmp_path / "raw").mkdir()
    fetch("mine", entry, tmp_path / "raw")
    train, test = run(tmp_path / "raw", tmp_path)
    assert (train.title, train.sensor, train.rows, test.rows) == ("N-Caltech101 (altered)", [240, 180], 8, 2)
    stated = PARAMS.model_copy(update={"sensor": (240, 180)})
    assert "only the user's own recordings have it" in error_of(lambda: run(tmp_path / "raw", tmp_path, stated))
