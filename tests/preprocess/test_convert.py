"""From storage to storage: the bytes of the stage, resumed by shards; one error for each thing that fails."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

from pipeline.cluster.storage import Storage, open_storage
from pipeline.data.store import Manifest
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams, DatasetParams, DownloadParams
from pipeline.preprocess import shards
from pipeline.preprocess.convert import convert
from pipeline.preprocess.preprocess import make_recordings
from pipeline.preprocess.shards import Part
from tests.cluster.s3 import bucket, serving
from tests.preprocess.made import PARAMS, TITLE, Files, error_of
from tests.train.tiny import ONE

DATASET = DatasetParams(download=DownloadParams(catalog="recordings", source="unused", title=TITLE), preprocess=PARAMS)


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    with serving() as server:
        yield server


@pytest.fixture
def in_folders(raw: Path, tmp_path: Path) -> tuple[Storage, Storage]:
    """The recordings, and where the shards go."""
    copied = shutil.copytree(raw, tmp_path / "raw")
    return open_storage(str(copied), "--from"), open_storage(f"file://{tmp_path}/shards", "--into")


@pytest.fixture(params=["folder", "s3"])
def places(request: pytest.FixtureRequest, raw: Path, tmp_path: Path) -> tuple[Storage, Storage]:
    if request.param == "folder":
        return request.getfixturevalue("in_folders")
    server = request.getfixturevalue("server")
    return uploaded(raw, server, tmp_path.name), open_storage(bucket(server, f"{tmp_path.name}-into"), "--into")


def uploaded(raw: Path, server: ThreadedMotoServer, name: str) -> Storage:
    source = open_storage(bucket(server, f"{name}-from"), "--from")
    for path in raw.rglob("*.*"):
        source.put(path, path.relative_to(raw).as_posix())
    return source


def converted(
    places: tuple[Storage, Storage], cluster: ClusterParams = ONE, **changes: Any
) -> tuple[Storage, list[Manifest]]:
    return convert("mine", *places, DATASET.model_copy(update=changes), cluster)


def stored(storage: Storage) -> Files:
    """What the stage `preprocess` would leave, by its paths there."""
    there = storage.list("")
    summaries = {f"{name.removesuffix('.arrow')}.json" for name in there if name[-8:-6].isdigit()}
    return {f"arrow/mine/{name}": storage.read(name) for name in there.keys() - summaries}


def test_the_bytes_are_those_of_the_stage(
    places: tuple[Storage, Storage], expected: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    into, manifests = converted(places)
    assert stored(into) == expected
    assert [manifest.rows for manifest in manifests] == [16, 4]
    assert into.address.startswith(places[1].address.partition("?")[0] + "/mine-")
    assert "mine: 21 file(s) found, 20 used (cup 10, mug 10), 1 left out (.json 1)" in capsys.readouterr().out


def test_the_same_call_makes_what_is_missing_and_keeps_the_rest(
    places: tuple[Storage, Storage], expected: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = shards.make_shard
    monkeypatch.setattr(shards, "make_shard", lambda part: (made.append(part.name), real(part)))
    into, _ = converted(places)
    assert len(made) == 6
    for name in ("train-00001-of-00003.json", "train.json", "test.json"):
        into.delete(name)
    again, _ = converted(places)
    assert (again, made[6:]) == (into, ["train-00001-of-00003.arrow"])
    assert stored(into) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train-00001-of-00003.arrow", b""),
        ("train-00001-of-00003.json", b'{"labels": [0'),
        ("train-00001-of-00003.json", b"{}"),
        ("train-00001-of-00003.json", b"\xff"),
        ("train-00001-of-00003.json", b"[]"),
    ],
)
def test_the_same_call_mends_what_was_cut_off(
    places: tuple[Storage, Storage], expected: Files, tmp_path: Path, name: str, content: bytes
) -> None:
    into, _ = converted(places)
    (tmp_path / "cut").write_bytes(content or into.read(name)[:-100])
    into.put(tmp_path / "cut", name)
    assert converted(places)[0] == into
    assert stored(into) == expected


def test_other_recordings_parameters_or_titles_have_another_folder(in_folders: tuple[Storage, Storage]) -> None:
    places = in_folders
    found = [converted(places)[0].address]
    found += [converted(places, preprocess=PARAMS.model_copy(update={"frames": 2}))[0].address]
    found += [converted(places, download=DATASET.download.model_copy(update={"title": "Cups"}))[0].address]
    places[0].delete("mug/18.aedat")
    found += [converted(places)[0].address]
    assert len(set(found)) == 4


def test_a_damaged_recording_is_named_with_its_object(
    places: tuple[Storage, Storage], raw: Path, expected: Files, tmp_path: Path
) -> None:
    source, target = places
    (tmp_path / "short").write_bytes((raw / "mug" / "12.aedat").read_bytes()[:-3])
    source.put(tmp_path / "short", "mug/12.aedat")
    text = error_of(lambda: converted(places))
    assert text.startswith("mug/12.aedat: byte ")
    place = source.address.partition("?")[0]
    assert text.endswith(f"\nIt is {place}/mug/12.aedat: replace or remove it, and run it again")
    assert not any(name.endswith(("train.json", "test.json")) for name in target.list(""))
    source.put(raw / "mug" / "12.aedat", "mug/12.aedat")
    assert stored(converted(places)[0]) == expected


def test_storage_that_goes_in_the_middle_is_one_error_and_the_next_call_resumes(
    raw: Path, server: ThreadedMotoServer, expected: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    with serving() as mine:
        source, target = uploaded(raw, mine, "goes"), open_storage(bucket(mine, "goes-into"), "--into")
        monkeypatch.setattr(shards, "make_shard", after(3, made, mine.stop))
        text = error_of(lambda: converted((impatient(source, mine), target)))
    assert text.startswith(f"--from {source.address}: cannot read cup/09.aedat (")
    assert "Could not connect" in text
    assert len(made) == 3
    with serving() as again:  # another server of the same buckets, since moto keeps them in this process
        source, target = (open_storage(bucket(again, name, make=False)) for name in ("goes-from", "goes-into"))
        assert stored(converted((source, target))[0]) == expected
    assert len(made) == 6


def impatient(storage: Storage, server: ThreadedMotoServer) -> Storage:
    """The same storage; a request that fails is not tried again, which takes seconds."""
    endpoint = "{}:{}".format(*server.get_host_and_port())
    once = AwsStandardS3RetryStrategy(max_attempts=1)
    files = S3FileSystem(endpoint_override=endpoint, scheme="http", region="us-east-1", retry_strategy=once)
    return replace(storage, files=files)


def after(number: int, made: list[str], act: Callable[[], None], real: Any = shards.make_shard) -> Callable[..., None]:
    """make_shard that acts before the one that follows so many."""

    def make(part: Part) -> None:
        if len(made) == number:
            act()
        real(part)
        made.append(part.name)

    return make


def test_a_recording_that_changes_meanwhile_is_one_error(
    in_folders: tuple[Storage, Storage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(in_folders[0].path("mug/12.aedat"))

    def grow() -> None:
        path.write_bytes(path.read_bytes() + bytes(8))

    def make_and_touch(*arguments: Any) -> Any:
        made = make_recordings(*arguments)
        path.touch()
        return made

    with monkeypatch.context() as patch:
        patch.setattr(shards, "make_shard", after(0, [], grow))
        size = path.stat().st_size
        assert error_of(lambda: converted(in_folders)).startswith(
            f"{path}: has {size + 8} bytes, had {size} when it was listed; is it still being written?"
        )
    monkeypatch.setattr("pipeline.preprocess.convert.make_recordings", make_and_touch)
    text = error_of(lambda: converted(in_folders))
    assert text == f"--from {tmp_path}/raw: changed while it was read; run it again"
    assert not list((tmp_path / "shards").glob("*/train.json"))


def test_a_place_that_cannot_be_written_is_found_before_the_first_task(
    raw: Path, server: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "make_shard", lambda _: 1 / 0)
    into = open_storage(bucket(server, "nobodys", make=False), "--into")
    with pytest.raises(InputError, match=r"^--into s3://nobodys/runs.*: cannot write \.probe-.*check the address"):
        converted((open_storage(str(raw), "--from"), into))


def test_a_source_that_cannot_be_used_is_one_error(raw: Path, tmp_path: Path) -> None:
    target = open_storage(str(tmp_path / "into"), "--into")
    source = tmp_path / "source"

    def error() -> str:
        return error_of(lambda: converted((open_storage(str(source), "--from"), target)))

    assert error() == f"--from {source}: no such folder (~ is not expanded)"
    assert not (tmp_path / "into").exists()
    source.mkdir()
    assert error().startswith(f"--from {source}: no .aedat or ")
    source.rmdir()
    shutil.copytree(raw, source)
    (source / "cup" / "more.zip").touch()
    assert error() == f"{source}/cup/more.zip: archives in storage are not read; unpack it there, or remove it"
    (source / "cup" / "more.zip").rename(source / "cup" / "more.rar")
    assert error().startswith(f"{source}/cup/more.rar: .rar is not supported; unpack it")
    (source / "cup" / "more.rar").unlink()
    (source / "bowl").mkdir()
    assert error().startswith(f"{source}/bowl: no recording in it, but the folders beside it are classes")
    (source / "bowl").rmdir()
    (source / "cup" / "lost.aedat").symlink_to(source / "nowhere")
    assert error().startswith(f"{source}/cup/lost.aedat: expected a file or a folder, found a broken link")
    (source / "cup" / "lost.aedat").unlink()
    shutil.copyfile(source / "cup" / "01.aedat", source / "cup" / "01.npy")
    assert "01.aedat and cup/01.npy: one sample twice" in error()


def test_two_places_of_which_one_contains_the_other_are_refused(raw: Path, tmp_path: Path) -> None:
    source = open_storage(str(raw), "--from")
    for other in (raw, raw / "shards", raw.parent):
        text = error_of(lambda other=other: converted((source, open_storage(str(other), "--into"))))  # type: ignore[misc]
        assert text == f"--into {other}: contains, or is in, --from {raw}; name two folders beside each other"


def test_other_data_than_recordings_are_refused(in_folders: tuple[Storage, Storage]) -> None:
    places = in_folders
    images = DATASET.download.model_copy(update={"catalog": "images"})
    text = error_of(lambda: converted(places, download=images))
    assert "datasets.mine.download.catalog: is images; `sresnet convert` needs catalog: recordings" in text
    assert "frames and size must be numbers" in error_of(
        lambda: converted(places, preprocess=PARAMS.model_copy(update={"frames": None}))
    )
