"""Digests are cached, and computed again as soon as a file may have changed."""

import os
from pathlib import Path

import pytest

from pipeline.ground import digests
from pipeline.ground.digests import FileDigest, digest_all
from pipeline.ground.files import sha256


@pytest.fixture(autouse=True)
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "BOOK", tmp_path / "book.json")
    monkeypatch.setattr(digests, "LARGE", 3)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return sha256(path)

    monkeypatch.setattr(digests, "sha256", counted)
    return names


def test_a_large_file_is_read_once_and_a_small_one_each_time(tmp_path: Path, hashed: list[str]) -> None:
    for name, content in (("large", b"abc"), ("small", b"ab")):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    first, second = (digest_all(tmp_path, [tmp_path / "in"]) for _ in range(2))
    assert (
        first
        == second
        == [
            FileDigest(path="in/large", sha256=sha256(tmp_path / "in" / "large"), bytes=3),
            FileDigest(path="in/small", sha256=sha256(tmp_path / "in" / "small"), bytes=2),
        ]
    )
    assert hashed == ["large", "small", "small"]


def test_another_size_or_time_of_change_is_read_again(tmp_path: Path, hashed: list[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    old = digest_all(tmp_path, [file])
    file.write_bytes(b"xyz")
    os.utime(file, ns=(0, 0))
    assert digest_all(tmp_path, [file])[0].sha256 == sha256(file) != old[0].sha256
    file.write_bytes(b"abcd")
    os.utime(file, ns=(0, 0))
    assert digest_all(tmp_path, [file])[0].sha256 == sha256(file)
    assert len(hashed) == 3


def test_a_digest_that_is_known_costs_nothing(tmp_path: Path, hashed: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert digest_all(tmp_path, [tmp_path / "file"], {tmp_path / "file": "known"})[0].sha256 == "known"
    assert hashed == []


def test_a_damaged_book_is_made_anew(tmp_path: Path) -> None:
    digests.BOOK.write_text("{", encoding="utf-8")
    (tmp_path / "file").write_bytes(b"abc")
    assert digest_all(tmp_path, [tmp_path / "file"])[0].sha256 == sha256(tmp_path / "file")
    assert digests.BOOK.read_text(encoding="utf-8") != "{"
