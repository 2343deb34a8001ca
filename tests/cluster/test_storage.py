"""Storage on a disk and on an S3 server on the loopback behave the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from moto.server import ThreadedMotoServer

from pipeline.cluster.storage import Storage, check_writable, open_storage
from pipeline.ground.errors import InputError
from tests.cluster.s3 import bucket, serving


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    with serving() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return open_storage(str(tmp_path / "there"))
    return open_storage(bucket(request.getfixturevalue("server"), "there"))


def test_what_is_put_comes_back_whole(storage: Storage, tmp_path: Path) -> None:
    local, back = tmp_path / "local", tmp_path / "back"
    local.write_bytes(bytes(range(256)) * 8192)
    assert storage.list("a") == {}
    storage.put(local, "a/b/c")
    storage.put(local, "a/d")
    assert {name: info.size for name, info in storage.list("a").items()} == {"b/c": 2_097_152, "d": 2_097_152}
    storage.get("a/b/c", back)
    assert back.read_bytes() == local.read_bytes()
    assert back.stat().st_mtime_ns == storage.list("a")["b/c"].mtime_ns
    storage.delete("a/d")
    storage.delete("a/never")
    assert list(storage.list("a")) == ["b/c"]
    storage.delete("a")
    assert storage.list("a") == {}


def test_a_file_that_is_not_there_is_one_error_and_nothing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cluster\.storage .*: cannot read never .*; check the address"):
        storage.get("never", tmp_path / "into" / "file")
    assert not (tmp_path / "into" / "file").exists()


def test_storage_that_refuses_is_one_error(server: ThreadedMotoServer, tmp_path: Path) -> None:
    bucket(server, "ours")
    with pytest.raises(InputError, match=r"cluster\.storage s3://nobodys/runs.*: cannot write \.probe-"):
        check_writable(open_storage(bucket(server, "nobodys", make=False)))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write \.probe-"):
        check_writable(open_storage(f"file://{tmp_path}/file"))


def test_an_upload_that_breaks_off_leaves_no_object(
    server: ThreadedMotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrow closes the stream after an error too, and S3 then has the first part as an object."""
    storage = open_storage(bucket(server, "broken"))
    (tmp_path / "file").write_bytes(bytes(1000))

    def breaks(file: IO[bytes], stream: IO[bytes], chunk: int) -> None:
        stream.write(file.read(chunk // 2))
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", breaks)
        with pytest.raises(InputError, match=r"cannot write a \(the disk is gone\)"):
            storage.put(tmp_path / "file", "a")
    assert storage.list("") == {}


def test_an_upload_that_does_not_begin_keeps_the_object(server: ThreadedMotoServer, tmp_path: Path) -> None:
    storage = open_storage(bucket(server, "kept"))
    (tmp_path / "file").write_bytes(b"old")
    storage.put(tmp_path / "file", "a")
    with pytest.raises(InputError, match="cannot write a"):
        storage.put(tmp_path / "gone", "a")
    assert storage.read("a") == b"old"


@pytest.mark.parametrize("address", ["ftp://host/runs", "s3://", "relative/folder", "/"])
def test_an_address_that_names_no_place_is_one_error(address: str) -> None:
    with pytest.raises(InputError, match=r"cluster\.storage .*: (expected|cannot be opened|names no)"):
        open_storage(address)


def test_what_is_written_to_a_path_is_stored_and_a_block_that_fails_stores_nothing(storage: Storage) -> None:
    below = storage.below("a folder")
    with below.writing("b/c") as path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    assert below.read("b/c") == storage.read("a folder/b/c") == b"content"
    with pytest.raises(ZeroDivisionError), below.writing("b/d") as path:
        raise ZeroDivisionError
    assert list(below.list("")) == ["b/c"]


def test_an_address_below_keeps_the_options_of_the_uri() -> None:
    storage = open_storage("s3://bucket/runs/?region=us-east-1&endpoint_override=host:1", "--into")
    assert storage.below("one").address == "s3://bucket/runs/one?region=us-east-1&endpoint_override=host:1"
    assert (storage.below("one").root, storage.uri("one/a")) == ("bucket/runs/one", "s3://bucket/runs/one/a")
    plain = open_storage("/a?b/c/")
    assert (plain.below("one").address, plain.below("one").root, plain.uri("a")) == (
        "/a?b/c/one",
        "/a?b/c/one",
        "/a?b/c/a",
    )
    with pytest.raises(InputError, match=r"^--into ftp://host: expected an absolute path, or one of "):
        open_storage("ftp://host", "--into")


def test_keys_in_an_address_are_not_shown(server: ThreadedMotoServer, tmp_path: Path) -> None:
    address = bucket(server, "secret").replace("s3://", "s3://test:hush-hush@")
    storage = open_storage(address)
    (tmp_path / "file").write_text("content")
    storage.put(tmp_path / "file", "file")
    assert storage.read("file") == b"content"
    with pytest.raises(InputError, match=r"cluster\.storage s3://secret/runs") as error:
        storage.read("never")
    assert "hush" not in f"{error.value}{storage.uri('file')}"


@pytest.mark.parametrize(
    "address", ["s3://me:hush@", "s3://me:hu/hush@there/runs", "s3://me:hush hush@there", "file://me:hush@/runs"]
)
def test_keys_in_an_address_that_cannot_be_opened_are_not_shown(address: str) -> None:
    with pytest.raises(InputError, match=r"cannot be opened|names no folder") as error:
        open_storage(address)
    assert "hush" not in str(error.value)
