"""Recordings become the same bytes with any number of workers and after any interruption, or one error and nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data import archives, ray_cluster, shards
from pipeline.data.camera import write_aedat2
from pipeline.data.fetch import fetch
from pipeline.data.frames import RULE, to_frames
from pipeline.data.params import ClusterParams, DownloadParams, FolderSplit, PreprocessParams, WindowParams
from pipeline.data.preprocess import preprocess
from pipeline.data.recordings import Recording, read
from pipeline.data.shards import Part, make_shard
from pipeline.data.store import VERSION, Manifest, Store
from pipeline.errors import InputError
from pipeline.paths import PARAMS as PARAMS_YAML
from pipeline.paths import ROOT

PARAMS = PreprocessParams(split="every-fifth-tests", shards=3, frames=4, size=64, compression="none", window=None)
IMAGES = PARAMS.model_copy(update={"frames": None, "size": None})
LOCAL = ClusterParams(address="local", workers="auto", gpus_per_worker=0, storage="runs", checkpoint_seconds=60)
TITLE = "Cups and mugs"
GOLDEN = {
    "train": "fdb87c10d0346d3ada0366eeba0edc2e643490017d30e365afc073656c6bc5e5",
    "test": "20284699fca360004b0bc35e43979fbd787201ba8703e17596c6467d99e9633d",
}
"""Digests of all rows."""
DRIVER = "import sys; from tests.data.test_preprocess import run_until_one_is_done as run; run(*sys.argv[1:])"
Files = dict[str, bytes]


def record(path: Path, seed: int, *, events: int = 500) -> None:
    """A recording of integers that follow from `seed`."""
    place = np.arange(events)
    x, y, p = (place * step // 7 % limit for step, limit in ((seed + 3, 128), (seed + 11, 128), (seed + 5, 2)))
    write_aedat2(Recording(t=place * 100, x=x, y=y, p=p, width=128, height=128), path)


def download(source: Path, into: Path, catalog: str = "recordings") -> Path:
    """data/raw/mine as the stage `download` leaves it."""
    into.mkdir(parents=True)
    title = TITLE if catalog == "recordings" else None
    fetch("mine", DownloadParams(catalog=catalog, source=str(source) if title else None, title=title), into)
    return into


def run(raw: Path, folder: Path, params: PreprocessParams = PARAMS, cluster: ClusterParams = LOCAL) -> list[Manifest]:
    """Writes <folder>/arrow/mine; what is not finished stands in <folder>/work."""
    return preprocess("mine", raw, params, cluster, folder / "arrow" / "mine", folder / "work")


def contents(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def metadata(shard: Path) -> dict[str, str]:
    with pa.ipc.open_file(str(shard)) as file:
        return {key.decode(): value.decode() for key, value in file.schema.metadata.items()}


def error_of(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        action()
    return str(error.value)


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A folder with a short name, for Ray's sockets; removed with what a killed Ray leaves in it."""
    folder = Path(tempfile.mkdtemp(prefix="ray-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def without_ray() -> Iterator[None]:
    """Shards are made one after another in this process."""

    def one_by_one(parts: list[Part], _: ClusterParams) -> Iterator[Part]:
        for part in parts:
            make_shard(part)
            yield part

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_on_ray", one_by_one)
        yield


@pytest.fixture
def no_ray() -> Iterator[None]:
    with without_ray():
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterParams]:
    """A running Ray cluster of four CPUs, however many this machine has; joined once, so that workers start once."""
    from ray.cluster_utils import Cluster  # after ray_cluster, which sets Ray up

    with ray_folder() as folder, pytest.MonkeyPatch.context() as surroundings:
        surroundings.setenv("RAY_TMPDIR", str(folder))  # there Ray notes the newest cluster's address
        (folder / "ray").mkdir()
        head = {"num_cpus": 4, "include_dashboard": False, "temp_dir": str(folder)}
        running = Cluster(initialize_head=True, head_node_args=head)
        params = LOCAL.model_copy(update={"address": running.address})
        try:
            with ray_cluster.connect(params, most=4), pytest.MonkeyPatch.context() as patch:
                patch.setattr(ray_cluster, "_start", lambda *_: None)
                patch.setattr(ray_cluster.ray, "shutdown", lambda: None)
                yield params
        finally:
            running.shutdown()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten recordings of each of two classes."""
    folder = tmp_path_factory.mktemp("raw")
    for seed in range(20):
        record(folder / "source" / ("mug", "cup")[seed % 2] / f"{seed:02}.aedat", seed)
    return download(folder / "source", folder / "mine")


@pytest.fixture(scope="module")
def expected(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What one process makes without Ray."""
    folder = tmp_path_factory.mktemp("expected")
    with without_ray():
        run(raw, folder)
    return contents(folder)


def test_a_dataset_is_its_shards_and_a_manifest_a_split(expected: Files) -> None:
    names = [f"{split}-{index:05}-of-00003.arrow" for split in ("train", "test") for index in range(3)]
    assert sorted(expected) == sorted(f"arrow/mine/{name}" for name in [*names, "train.json", "test.json"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_manifest_and_every_shard_say_what_they_are(
    raw: Path, tmp_path: Path, no_ray: None, split: Literal["train", "test"]
) -> None:
    run(raw, tmp_path)
    store, rows = Store(tmp_path / "arrow" / "mine", split), {"train": 16, "test": 4}[split]
    assert store.manifest == Manifest(
        version=VERSION,
        dataset="mine",
        title=TITLE,
        note="not a published dataset: its numbers stand beside no published ones",
        published=False,
        kind="frames",
        split=split,
        split_rule="every-fifth-tests",
        framing_rule=RULE,
        scale=0.25,
        classes=["cup", "mug"],
        sample_shape=[4, 2, 64, 64],
        shards=3,
        rows=rows,
        rows_per_class=[rows // 2, rows // 2],
        left_out=0,
        digest=GOLDEN[split],
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
            "framing_rule": RULE,
            "classes": '["cup", "mug"]',
            "version": str(VERSION),
        }
    ]


def test_each_row_is_the_frames_of_its_recording(raw: Path, tmp_path: Path, no_ray: None) -> None:
    run(raw, tmp_path)
    splits = [Store(tmp_path / "arrow" / "mine", split) for split in ("train", "test")]
    assert splits[1].ids == ["cup/09.aedat", "cup/19.aedat", "mug/08.aedat", "mug/18.aedat"]
    assert sorted(splits[0].ids + splits[1].ids) == sorted(member.id for member in archives.members(raw, (".aedat",)))
    for store in splits:
        frames = np.stack([to_frames(read(raw / name), 4, 64) for name in store.ids])
        np.testing.assert_array_equal(store.read(np.arange(len(store))), frames)
        assert store.labels.tolist() == [("cup", "mug").index(name[:3]) for name in store.ids]


@pytest.mark.parametrize(("shards", "compression"), [(1, "none"), (100, "none"), (2, "zstd")])
def test_neither_shards_nor_compression_change_what_is_read(
    raw: Path, tmp_path: Path, no_ray: None, shards: int, compression: str
) -> None:
    manifests = run(raw, tmp_path, PARAMS.model_copy(update={"shards": shards, "compression": compression}))
    assert {manifest.split: manifest.digest for manifest in manifests} == GOLDEN
    assert [manifest.shards for manifest in manifests] == [min(shards, 16), min(shards, 4)]


def test_windows_that_are_left_out_are_counted(raw: Path, tmp_path: Path, no_ray: None) -> None:
    """500 events every 100 us last 49.9 ms: two windows of 20 ms hold 200 each."""
    window = PARAMS.model_copy(update={"window": WindowParams(ms=20, min_events=200)})
    assert [(manifest.rows, manifest.left_out) for manifest in run(raw, tmp_path / "all", window)] == [(32, 0), (8, 0)]
    assert Store(tmp_path / "all" / "arrow" / "mine", "test").ids[:2] == [
        "cup/09.aedat@000000-000020ms",
        "cup/09.aedat@000020-000040ms",
    ]
    none = PARAMS.model_copy(update={"window": WindowParams(ms=20, min_events=201)})
    assert "no window has window.min_events events" in error_of(lambda: run(raw, tmp_path / "none", none))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_bytes(
    raw: Path, tmp_path: Path, cluster: ClusterParams, expected: Files, workers: int
) -> None:
    run(raw, tmp_path, cluster=cluster.model_copy(update={"workers": workers}))
    assert contents(tmp_path) == expected


def test_more_workers_than_cpus_is_an_error_with_both_numbers(
    raw: Path, tmp_path: Path, cluster: ClusterParams
) -> None:
    assert error_of(lambda: run(raw, tmp_path, cluster=cluster.model_copy(update={"workers": 5}))) == (
        f"{PARAMS_YAML}: cluster.workers 5 needs 5 CPUs, but the cluster {cluster.address} has 4; "
        "ask for fewer workers or add nodes"
    )
    assert not (tmp_path / "arrow").exists()


def test_a_damaged_recording_is_one_error_and_its_mending_goes_on(
    raw: Path, tmp_path: Path, cluster: ClusterParams, expected: Files
) -> None:
    mine = Path(shutil.copytree(raw, tmp_path / "mine"))
    damaged = mine / "mug" / "12.aedat"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    text = error_of(lambda: run(mine, tmp_path / "out", cluster=cluster))
    assert text.startswith("mug/12.aedat: byte ")
    assert text.endswith("; the file is cut off; fetch or record the file again")
    assert not (tmp_path / "out" / "arrow").exists()
    shutil.copyfile(raw / "mug" / "12.aedat", damaged)
    with without_ray():
        run(mine, tmp_path / "out")
    assert contents(tmp_path / "out") == expected


def test_a_killed_run_leaves_nothing_that_looks_done_and_goes_on_with_what_is_missing(
    raw: Path, tmp_path: Path, expected: Files
) -> None:
    with ray_folder() as temporary:
        kill_when_one_is_done(raw, tmp_path, temporary)
    assert not (tmp_path / "arrow").exists()
    (work,) = (tmp_path / "work").iterdir()
    done = {path.name: path.stat().st_ino for path in work.glob("[!.]*.arrow") if path.with_suffix(".json").exists()}
    assert 1 <= len(done) < 6
    assert {f"arrow/mine/{name}": (work / name).read_bytes() for name in done}.items() <= expected.items()
    (work / ".train-00002-of-00003.arrow.abcd1234").write_bytes(b"half")
    (tmp_path / "arrow" / ".mine.abcd1234").mkdir(parents=True)
    with without_ray():
        run(raw, tmp_path)
    assert contents(tmp_path) == expected
    assert [path.name for path in (tmp_path / "arrow").iterdir()] == ["mine"]
    kept = {name: (tmp_path / "arrow" / "mine" / name).stat().st_ino for name in done}
    assert kept == done


def kill_when_one_is_done(raw: Path, folder: Path, temporary: Path) -> None:
    """Runs it in processes of their own and kills them with SIGKILL once a shard is finished and another begun."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(raw), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    assert driver.stdout is not None
    line = driver.stdout.readline()
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert line == "one is done\n"
    wait_until_none_names(temporary)


def run_until_one_is_done(raw: str, folder: str) -> None:
    """What the killed process runs: after the first shard it says so and waits for its end, Ray's workers do not."""

    class Waiting:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> "Waiting":
            return self

        def __exit__(self, *_: object) -> None: ...
        def update(self, _: int) -> None:
            print("one is done", flush=True)
            time.sleep(60)

    shards.progress = Waiting  # type: ignore[assignment]
    run(Path(raw), Path(folder))


def wait_until_none_names(folder: Path) -> None:
    """Ray's own processes end by themselves when their driver was killed."""
    deadline = time.monotonic() + 30
    while names := [command for command in commands() if str(folder) in command]:
        assert time.monotonic() < deadline, names
        time.sleep(0.1)


def commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace")
        except OSError:  # it ended meanwhile
            continue


def test_a_run_that_ends_while_it_moves_its_shards_can_be_repeated(
    raw: Path, tmp_path: Path, expected: Files, no_ray: None
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "_put", stop)
        with pytest.raises(KeyboardInterrupt):
            run(raw, tmp_path)
    assert not any((tmp_path / "arrow").iterdir())
    run(raw, tmp_path)
    assert contents(tmp_path) == expected


def test_a_new_result_takes_the_place_of_the_old_one_whole(
    raw: Path, tmp_path: Path, expected: Files, no_ray: None
) -> None:
    run(raw, tmp_path, PARAMS.model_copy(update={"shards": 5}))
    run(raw, tmp_path)
    assert contents(tmp_path) == expected


def test_an_error_keeps_the_old_result(raw: Path, tmp_path: Path, expected: Files, no_ray: None) -> None:
    run(raw, tmp_path)
    error_of(lambda: run(raw, tmp_path, PARAMS.model_copy(update={"size": 60})))
    assert {name: content for name, content in contents(tmp_path).items() if name.startswith("arrow/")} == expected


def test_unfinished_shards_of_other_parameters_are_not_taken(
    raw: Path, tmp_path: Path, expected: Files, no_ray: None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.data.preprocess.read_summary", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(raw, tmp_path, PARAMS.model_copy(update={"size": 32}))
    assert len(list((tmp_path / "work").rglob("*.arrow"))) == 6
    run(raw, tmp_path)
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
        ("recordings", {"frames": None}, "so frames and size must be numbers"),
        ("recordings", {"size": None}, "so frames and size must be numbers"),
        ("recordings", {"size": 60}, "need a square sensor of a multiple of that; set preprocess.size"),
        ("recordings", {"split": "paper"}, "preprocess.split 'paper': expected one of every-fifth-tests"),
        (
            "recordings",
            {"split": FolderSplit(train="cup", test="jug")},
            "mug/00.aedat: lies in mug; expected cup",
        ),
        ("digits", {}, "Digits holds images, so set both to null"),
        ("digits", {"window": WindowParams(ms=1, min_events=1), "frames": None, "size": None}, "set it to null"),
    ],
)
def test_parameters_that_do_not_fit_are_one_error_and_nothing_is_written(
    raw: Path, tmp_path: Path, no_ray: None, catalog: str, changes: dict[str, Any], text: str
) -> None:
    source = raw if catalog == "recordings" else download(tmp_path, tmp_path / "raw", "digits")
    assert text in error_of(lambda: run(source, tmp_path, PARAMS.model_copy(update=changes)))
    assert not (tmp_path / "arrow").exists()


def test_without_a_download_the_error_names_the_stage(tmp_path: Path) -> None:
    assert error_of(lambda: run(tmp_path, tmp_path)) == (
        f"{tmp_path / 'SOURCE.json'}: not found; run the stage `download` first"
    )
