"""Zip and tar archives for tests, and what is read from a folder of them."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.download.listing import members, read_member
from pipeline.ground.errors import InputError

FILES = {"cat/10.bin": b"ten", "cat/9.bin": b"nine" * 5000, "dog/1.bin": b"", "dog/notes.txt": b"not a sample"}

SAMPLES = {name: content for name, content in FILES.items() if name.endswith(".bin")}


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def zipped(files: dict[str, bytes]) -> bytes:
    with io.BytesIO() as memory:
        with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return memory.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    return tarred_entries([(tarfile.TarInfo(name), content) for name, content in files.items()])


def tarred_entries(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    with io.BytesIO() as memory:
        with tarfile.open(fileobj=memory, mode="w:gz") as archive:
            for entry, content in entries:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return memory.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    return gzip.decompress(tarred(files))


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def contents(raw: Path) -> dict[str, bytes]:
    return {member.id: read_member(member) for member in members(raw, (".bin",))}


def error_of(raw: Path) -> str:
    with pytest.raises(InputError) as error:
        contents(raw)
    return str(error.value)
