"""Recordings are requested ahead, but no more than a number and a size of them, and come in order."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import LocalFileSystem

from pipeline.cluster.storage import Storage
from pipeline.ground.errors import InputError
from pipeline.preprocess import stored
from pipeline.preprocess.stored import StoredMember, read_ahead


class Slow(Storage):
    """Storage that notes how many reads go on at once."""

    now: list[str] = []  # noqa: RUF012 # of all
    most: list[int] = []  # noqa: RUF012

    def read(self, key: str) -> bytes:
        self.now.append(key)
        self.most.append(len(self.now))
        time.sleep(0.01)
        self.now.remove(key)
        if key == "gone":
            raise InputError("gone: cannot be read")
        return key.encode()


@pytest.fixture
def storage() -> Slow:
    Slow.now, Slow.most = [], []
    return Slow(address="/there", files=LocalFileSystem(), root="/there")


def members(storage: Storage, keys: list[str], **size: int) -> list[StoredMember]:
    return [StoredMember(key, size.get(key, len(key)), 0, key, storage) for key in keys]


def test_sixteen_are_on_their_way_and_come_in_order(storage: Slow) -> None:
    keys = [str(index) for index in range(100, 200)]
    assert list(read_ahead(members(storage, keys))) == [key.encode() for key in keys]
    assert max(storage.most) == 16


def test_large_ones_come_alone(storage: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "AHEAD_BYTES", 6)
    keys = ["abc", "defghijkl", "mno", "pqr", "stu"]
    assert list(read_ahead(members(storage, keys))) == [key.encode() for key in keys]
    assert max(storage.most) == 2


def test_an_error_ends_it_and_leaves_no_thread(storage: Slow) -> None:
    keys = [*"abcdefgh", "gone", *(str(index) for index in range(100))]
    with pytest.raises(InputError, match="gone: cannot be read"):
        list(read_ahead(members(storage, keys)))
    assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]
    assert len(storage.most) <= 9 + 16


def test_another_size_than_listed_is_an_error(storage: Slow) -> None:
    with pytest.raises(InputError, match=r"^/there/abc: has 3 bytes, had 4 when it was listed; is it still being "):
        list(read_ahead(members(storage, ["abc"], abc=4)))


def test_a_member_can_be_sent_to_another_process(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "a").write_bytes(b"content")
    (member,) = members(Storage(address=str(tmp_path), files=LocalFileSystem(), root=str(tmp_path)), ["a"], a=7)
    sent: Any = pickle.loads(pickle.dumps(member))
    assert (sent.place, list(read_ahead([sent]))) == (f"{tmp_path}/a", [b"content"])
