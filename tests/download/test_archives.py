"""Folders, zip and tar archives are read alike."""

import os
import pickle
import tarfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipeline.download.archives import unpacked
from pipeline.download.listing import list_files, members, read_member
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from tests.download.made_archives import FILES, SAMPLES, contents, tarred, tarred_entries, write_files, zipped


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "zip in a zip", "zip in a tar"])
def test_every_form_has_the_same_members(raw: Path, form: str) -> None:
    write_files(
        raw,
        {
            "folder": FILES,
            "zip": {"any name.zip": zipped(FILES)},
            "tar": {"any name.tar.gz": tarred(FILES)},
            "zip in a zip": {"outer.zip": zipped({"inner.zip": zipped(FILES)})},
            "zip in a tar": {"outer.tar.gz": tarred({"inner.zip": zipped(FILES)})},
        }[form],
    )
    assert contents(raw) == SAMPLES
    listed = members(raw, (".bin",))
    assert [member.id for member in listed] == ["cat/10.bin", "cat/9.bin", "dog/1.bin"]
    assert [member.size for member in listed] == [3, 20000, 0]


def test_an_archive_adds_its_folder_and_not_its_name(raw: Path) -> None:
    write_files(raw, {"session1/a.zip": zipped({"b/c.bin": b"1"}), "session2/a.tar.gz": tarred({"b/c.bin": b"2"})})
    assert contents(raw) == {"session1/b/c.bin": b"1", "session2/b/c.bin": b"2"}


def test_hidden_files_and_those_of_a_mac_are_no_members(raw: Path) -> None:
    junk = {".x.bin": b"", "cat/._9.bin": b"", "__MACOSX/cat/9.bin": b"", ".hidden/9.bin": b""}
    write_files(raw, {"a.zip": zipped(junk | SAMPLES), "b/a.tar.gz": tarred(junk | SAMPLES)})
    write_files(raw, {name: b"" for name in junk if "__MACOSX" not in name})
    assert contents(raw) == SAMPLES | {f"b/{name}": content for name, content in SAMPLES.items()}


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "zip in a zip"])
def test_suffixes_in_capitals_are_those_in_small_letters(raw: Path, form: str) -> None:
    files = {"cat/1.BIN": b"1", "cat/2.bin": b"2", "cat/3.Bin": b"3"}
    write_files(
        raw,
        {
            "folder": files,
            "zip": {"A.ZIP": zipped(files)},
            "tar": {"A.Tar.GZ": tarred(files)},
            "zip in a zip": {"a.zip": zipped({"INNER.ZIP": zipped(files)})},
        }[form],
    )
    assert contents(raw) == files


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_every_other_file_is_counted(raw: Path, form: str) -> None:
    others = {"a.txt": b"", "b.TXT": b"", "c/README": b"", "c/.x.bin": b"", ".h/1.bin": b"", "__MACOSX/c/1.bin": b""}
    files = SAMPLES | others
    write_files(raw, {"folder": files, "zip": {"a.zip": zipped(files)}, "tar": {"a.tgz": tarred(files)}}[form])
    found = list_files(raw, (".bin",))
    assert [member.id for member in found.members] == sorted(SAMPLES)
    assert found.left_out == {".txt": 2, "no suffix": 1, "hidden": 3}
    assert len(found.members) + found.left_out.total() == len(files)


def test_a_tar_of_the_current_folder_is_read(raw: Path) -> None:
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    write_files(raw, {"a.tgz": tarred_entries([(folder, b""), (tarfile.TarInfo("./cat/1.bin"), b"1")])})
    assert contents(raw) == {"cat/1.bin": b"1"}


def test_a_tar_is_unpacked_once_by_its_digest(raw: Path, unpacked_here: Path) -> None:
    write_files(raw, {"a.tar.gz": tarred(FILES), "copy/a.tar.gz": tarred({})})
    first = unpacked(raw / "a.tar.gz")
    (first / "cat" / "10.bin").write_bytes(b"seen again")
    assert read_member(members(raw, (".bin",))[0]) == b"seen again"
    assert sorted(path.name for path in unpacked_here.iterdir()) == sorted(
        sha256(raw / name) for name in ("a.tar.gz", "copy/a.tar.gz")
    )


def test_links_that_dvc_makes_into_its_cache_are_files(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "cached").write_bytes(b"1")
    (raw / "a.bin").symlink_to(tmp_path / "cached")
    assert contents(raw) == {"a.bin": b"1"}


def test_a_changed_byte_in_a_zip_is_found_when_it_is_read(raw: Path) -> None:
    with zipfile.ZipFile(raw / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("1.bin", b"right bytes")
    (raw / "a.zip").write_bytes((raw / "a.zip").read_bytes().replace(b"right", b"wrong"))
    (member,) = members(raw, (".bin",))
    with pytest.raises(InputError, match=r"a\.zip: damaged or truncated \(1\.bin"):
        read_member(member)


def test_a_member_that_vanished_is_named(raw: Path) -> None:
    write_files(raw, {"1.bin": b"1"})
    (member,) = members(raw, (".bin",))
    (raw / "1.bin").unlink()
    with pytest.raises(InputError, match=r"1\.bin: existed when"):
        read_member(member)


def test_forked_processes_read_one_zip_at_the_same_time(raw: Path) -> None:
    files = {f"{number}.bin": os.urandom(100_000) for number in range(40)}
    write_files(raw, {"a.zip": zipped(files)})
    listed = members(raw, (".bin",))
    assert pickle.loads(pickle.dumps(listed)) == listed
    read_member(listed[0])  # opens the zip before the fork
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(read_member, listed * 5)) == [files[member.id] for member in listed * 5]


def test_no_file_is_an_empty_list(raw: Path) -> None:
    assert members(raw, (".bin",)) == []
