"""Archives that are refused; none leaves anything, and none is written outside of its folder."""

import gzip
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from pipeline.download import archives, listing
from pipeline.download.listing import members, read_member
from pipeline.ground.errors import InputError
from tests.download.made_archives import (
    SAMPLES,
    contents,
    error_of,
    link,
    tar_of,
    tarred,
    tarred_entries,
    write_files,
    zipped,
)


@pytest.mark.parametrize("name", ["more.tar", "more.tar.bz2", "more.TAR.XZ", "more.7z", "more.rar", "1.bin.gz"])
@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_an_archive_that_is_not_opened_is_refused(raw: Path, form: str, name: str) -> None:
    files = SAMPLES | {f"cat/{name}": b"samples"}
    write_files(raw, {"folder": files, "zip": {"a.zip": zipped(files)}, "tar": {"a.tgz": tarred(files)}}[form])
    text = error_of(raw)
    assert name in text
    assert text.endswith("is not supported; unpack it, pack it as .zip or .tar.gz, or remove it")


def test_one_recording_in_two_formats_is_refused(raw: Path) -> None:
    write_files(raw, {"cat/1.bin": b"1", "cat/2.bin": b"2", "a.zip": zipped({"cat/1.dat": b"1"})})
    with pytest.raises(InputError, match=r"cat/1\.bin, .*a\.zip: cat/1\.bin and cat/1\.dat: one sample twice"):
        members(raw, (".bin", ".dat"))


def stated(content: bytes, size: int) -> bytes:
    """A zip that states another size of its member."""
    written = bytearray(zipped({"cat/1.bin": content}))
    struct.pack_into("<I", written, written.rfind(b"PK\1\2") + 24, size)
    return bytes(written)


@pytest.mark.parametrize("size", [0, 1000, 4999, 5001])
def test_a_zip_that_states_another_size_is_refused(raw: Path, size: int) -> None:
    (raw / "a.zip").write_bytes(stated(bytes(5000), size))
    assert error_of(raw).startswith(f"{raw}/a.zip: damaged or truncated (cat/1.bin: ")


def test_bytes_beyond_the_stated_size_are_not_held(raw: Path) -> None:
    (raw / "a.zip").write_bytes(stated(bytes(64 << 20), 1000))
    (member,) = members(raw, (".bin",))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.zip: damaged or truncated \(cat/1\.bin"):
        read_member(member)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


LONG = "/".join(["n" * 200] * 25)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([LONG], f"{LONG}: the name is too long for this file system"),
        (["cat.bin", "cat.bin/1.bin"], "cat.bin/1.bin: a file and a folder have the same name"),
        (["cat.bin/1.bin", "cat.bin"], "cat.bin: a file and a folder have the same name"),
        (["cat/1.bin", "cat/1.bin"], "cat/1.bin: it occurs twice"),
    ],
)
def test_a_tar_that_no_file_system_holds_is_one_error(
    raw: Path, unpacked_here: Path, names: list[str], reason: str
) -> None:
    (raw / "a.tgz").write_bytes(tarred_entries([(tarfile.TarInfo(name), b"1") for name in names]))
    assert error_of(raw) == f"{raw}/a.tgz: {reason}; download it from its publisher"
    assert not unpacked_here.exists()


def test_a_zip_in_a_zip_that_no_file_system_holds_is_one_error(raw: Path, unpacked_here: Path) -> None:
    inner = zipped(SAMPLES)
    write_files(raw, {"a.zip": zipped({"cat.zip": inner, "cat.zip/more.zip": inner})})
    assert f"{raw}/a.zip: cat.zip/more.zip: a file and a folder have the same name" in error_of(raw)
    assert not unpacked_here.exists()


def test_files_after_the_end_of_a_tar_are_not_lost(raw: Path, unpacked_here: Path) -> None:
    (raw / "a.tgz").write_bytes(gzip.compress(tar_of({"cat/1.bin": b"1"}) + tar_of({"cat/2.bin": b"2"})))
    assert "a.tgz: damaged or truncated (files follow" in error_of(raw)
    assert not unpacked_here.exists()


def test_files_after_a_damaged_header_of_a_tar_are_not_lost(raw: Path) -> None:
    whole = bytearray(tar_of({f"cat/{number}.bin": b"1" * 600 for number in range(3)}))
    whole[whole.index(b"cat/1.bin")] ^= 1
    (raw / "a.tgz").write_bytes(gzip.compress(bytes(whole)))
    assert "a.tgz: damaged or truncated (files follow" in error_of(raw)


@pytest.mark.parametrize("target", ["missing", "folder"])
def test_other_links_in_a_folder_are_refused(raw: Path, tmp_path: Path, target: str) -> None:
    write_files(tmp_path / "folder", {"1.bin": b"1"})
    (raw / "a.bin").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match=r"a\.bin: expected a file or a folder"):
        members(raw, (".bin",))


@pytest.mark.parametrize("name", ["/abs.bin", "../up.bin", "a/../../up.bin", "..", "a\\..\\up.bin"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_unsafe_names_are_refused_and_leave_nothing(raw: Path, unpacked_here: Path, name: str, make: object) -> None:
    assert callable(make)
    suffix = ".zip" if make is zipped else ".tar.gz"
    write_files(raw, {f"a{suffix}": make({"good.bin": b"1", name: b"2"})})
    with pytest.raises(InputError, match="unsafe name"):
        members(raw, (".bin",))
    assert not unpacked_here.exists()
    assert not list(raw.parent.glob("**/up.bin"))


@pytest.mark.parametrize(
    "entry",
    [
        link("a.bin", "/etc/passwd"),
        link("a.bin", "b.bin"),
        link("a.bin", "b.bin", tarfile.LNKTYPE),
        link("a", "", tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(raw: Path, unpacked_here: Path, entry: tarfile.TarInfo) -> None:
    write_files(raw, {"a.tar.gz": tarred_entries([(tarfile.TarInfo("b.bin"), b"1"), (entry, b"")])})
    with pytest.raises(InputError, match="is a link or a device"):
        members(raw, (".bin",))
    assert not unpacked_here.exists()


def test_links_in_a_zip_are_refused(raw: Path) -> None:
    entry = zipfile.ZipInfo("a.bin")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(raw / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="is a link"):
        members(raw, (".bin",))


def test_a_member_in_two_places_is_refused(raw: Path) -> None:
    write_files(raw, {"a.zip": zipped({"x/1.bin": b"1"}), "x/1.bin": b"1"})
    with pytest.raises(InputError, match=r"a\.zip, .*/x/1\.bin: x/1\.bin: one sample twice"):
        members(raw, (".bin",))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_an_archive_has_twice_is_refused(raw: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(raw / "a.zip", "w") as archive:
        archive.writestr("1.bin", "1")
        archive.writestr("./1.bin", "2")
    with pytest.raises(InputError, match=r"a\.zip: 1\.bin: one sample twice"):
        members(raw, (".bin",))
    (raw / "a.zip").unlink()
    (raw / "a.tar.gz").write_bytes(
        tarred_entries([(tarfile.TarInfo("1.bin"), b"1"), (tarfile.TarInfo("./1.bin"), b"2")])
    )
    with pytest.raises(InputError, match="twice"):
        members(raw, (".bin",))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize("keep", [0, 10_000, 30_000, -4])
def test_an_archive_that_is_cut_off_is_refused_and_leaves_nothing(
    raw: Path, unpacked_here: Path, suffix: str, keep: int
) -> None:
    files = {f"{number}.bin": os.urandom(2000) for number in range(20)}
    whole = zipped(files) if suffix == ".zip" else tarred(files)
    (raw / f"a{suffix}").write_bytes(whole[:keep])
    with pytest.raises(InputError, match="damaged or truncated"):
        members(raw, (".bin",))
    assert not unpacked_here.exists()


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(
    raw: Path, unpacked_here: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(archives, "_SMALL", 1 << 20)
    make = zipped if suffix == ".zip" else tarred
    write_files(raw, {f"a{suffix}": make({"1.bin": bytes(1 << 20)})})
    assert len(contents(raw)["1.bin"]) == 1 << 20
    write_files(raw, {f"a{suffix}": make({"1.bin": bytes((1 << 20) + 1)})})
    archives._opened.cache_clear()
    with pytest.raises(InputError, match=r"would grow from \d+ to 1048577 bytes"):
        members(raw, (".bin",))
    assert all(path.stat().st_size <= 1 << 20 for path in unpacked_here.rglob("*"))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_bomb_of_many_small_files_is_refused(raw: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(archives, "_SMALL", 1 << 20)
    monkeypatch.setattr(archives, "_EXPANSION", 5)
    make = zipped if suffix == ".zip" else tarred
    write_files(raw, {f"a{suffix}": make({f"{number}.bin": bytes(1 << 10) for number in range(1025)})})
    with pytest.raises(InputError, match="its content would grow"):
        members(raw, (".bin",))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_any_byte_changed_is_read_right_or_refused(raw: Path, method: int) -> None:
    with zipfile.ZipFile(raw / "a.zip", "w", method) as archive:
        archive.writestr("1.bin", b"events " * 40)
    whole, refused = (raw / "a.zip").read_bytes(), 0
    for place in range(len(whole)):
        (raw / "a.zip").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        archives._opened.cache_clear()
        try:
            assert set(contents(raw).values()) <= {b"events " * 40}
        except InputError:
            refused += 1
    assert refused > len(whole) // 3


def test_archives_in_archives_have_an_end(raw: Path) -> None:
    inner = zipped({"1.bin": b"1"})
    for _ in range(listing._DEPTH):
        inner = zipped({"a.zip": inner})
    write_files(raw, {"a.zip": inner})
    assert contents(raw) == {"1.bin": b"1"}
    write_files(raw, {"b/b.zip": zipped({"a.zip": inner})})
    with pytest.raises(InputError, match="more than 3 deep"):
        members(raw, (".bin",))
