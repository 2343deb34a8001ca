"""Checkpoints are copied to storage while a training runs, and back for the next worker."""

import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pipeline.cluster.storage import Storage, open_storage
from pipeline.ground.errors import InputError, afterwards
from pipeline.ground.files import write_whole
from pipeline.train.mirror import mirrored, pull, push
from tests.cluster.s3 import bucket, serving


def names(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_changes_is_in_storage_while_the_block_runs(tmp_path: Path) -> None:
    storage, here = open_storage(str(tmp_path / "storage")), tmp_path / "here"
    with mirrored(here, storage, "run", print):
        write_whole(here / "checkpoints" / "1.pt", b"one")
        for _ in range(100):
            if storage.list("run"):
                break
            time.sleep(0.05)
        assert names(tmp_path / "storage" / "run") == {"checkpoints/1.pt": b"one"}
        write_whole(here / "checkpoints" / "2.pt", b"two")
        (here / "checkpoints" / "1.pt").unlink()
    assert names(tmp_path / "storage" / "run") == {"checkpoints/2.pt": b"two"}


def test_a_pull_fetches_what_is_newer_and_keeps_or_removes_the_rest(tmp_path: Path) -> None:
    storage, here, there = open_storage(str(tmp_path / "storage")), tmp_path / "here", tmp_path / "there"
    write_whole(here / "checkpoint.pt", b"old")
    push(here, storage, "run", {})
    pull(storage, "run", there)
    write_whole(here / "checkpoint.pt", b"new")  # as long as the old one
    push(here, storage, "run", {})
    write_whole(there / "log.txt", b"mine")
    pull(storage, "run", there)
    assert names(there) == {"checkpoint.pt": b"new", "log.txt": b"mine"}
    pull(storage, "run", there, exactly=True)
    assert names(there) == {"checkpoint.pt": b"new"}


def test_one_that_was_cut_off_removes_only_what_it_had(tmp_path: Path) -> None:
    storage, here, other = open_storage(str(tmp_path / "storage")), tmp_path / "here", tmp_path / "other"
    write_whole(here / "1.pt", b"one")
    seen = push(here, storage, "run", {})
    pull(storage, "run", other)
    write_whole(other / "2.pt", b"two")
    push(other, storage, "run", {})
    (here / "1.pt").unlink()
    push(here, storage, "run", seen)
    assert list(storage.list("run")) == ["2.pt"]


def test_what_another_worker_removes_meanwhile_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here, get = tmp_path / "storage" / "run", tmp_path / "here", Storage.get
    write_whole(there / "1.pt", b"one")
    write_whole(there / ".2.pt.half", b"tw")

    def removed(storage: Storage, key: str, local: Path) -> None:
        if (there / "1.pt").exists():
            (there / "1.pt").unlink()
            write_whole(there / "2.pt", b"two")
        get(storage, key, local)

    monkeypatch.setattr(Storage, "get", removed)
    pull(open_storage(str(tmp_path / "storage")), "run", here, exactly=True)
    assert names(here) == {"2.pt": b"two"}


def test_an_error_in_flight_stays_and_what_storage_says_is_said(tmp_path: Path) -> None:
    (tmp_path / "storage").touch()
    write_whole(tmp_path / "here" / "1.pt", b"one")
    storage, said = open_storage(str(tmp_path / "storage")), list[str]()

    def last() -> None:
        push(tmp_path / "here", storage, "run", {})

    with pytest.raises(ZeroDivisionError), afterwards(last, said.append):
        _ = 1 / 0
    assert "cannot write run/1.pt" in said[-1]


def test_storage_that_refuses_the_last_state_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "storage").touch()
    with (
        pytest.raises(InputError, match=r"cannot write run/1\.pt"),
        mirrored(tmp_path / "here", open_storage(str(tmp_path / "storage")), "run", print),
    ):
        write_whole(tmp_path / "here" / "1.pt", b"one")


def test_keys_that_expire_are_said_once_and_what_waited_goes_to_storage_when_they_are_renewed(tmp_path: Path) -> None:
    said = list[str]()
    with serving() as server:
        storage = open_storage(bucket(server, "ours"))
        with mirrored(tmp_path, storage, "run", said.append):
            accept_keys(server.get_host_and_port(), accepted=False)
            write_whole(tmp_path / "1.pt", b"one")
            for _ in range(100):
                if said:
                    break
                time.sleep(0.05)
            time.sleep(1.2)  # two more scans, which fail too
            accept_keys(server.get_host_and_port(), accepted=True)
        assert list(storage.list("run")) == ["1.pt"]
    (line,) = said
    assert line.startswith("the checkpoint is only on this node for now, storage failed: cluster.storage s3://")
    assert "check the address, the credentials" in line


def accept_keys(address: tuple[str, int], *, accepted: bool) -> None:
    """Whether the server takes the keys of these tests, or answers 403 as for expired ones."""
    host, port = address
    content = {"Content-Type": "application/octet-stream"}
    where, checked_after = f"http://{host}:{port}/moto-api/reset-auth", b"inf" if accepted else b"0"
    urlopen(Request(where, data=checked_after, headers=content)).close()
