"""Recordings in storage, a folder or a bucket: which are there, and the bytes of one."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyarrow.fs import FileInfo, FileType

from pipeline.cluster.storage import Storage
from pipeline.download.archives import is_archive, is_hidden
from pipeline.download.catalog import Entry
from pipeline.download.listing import in_order, kind_left_out, suffix_of, visible_files
from pipeline.download.tally import Tally, check_class_folders
from pipeline.ground import names
from pipeline.ground.errors import InputError

AHEAD, AHEAD_BYTES = 16, 64 << 20
"""Recordings, or summaries, that are requested at once: at most so many, of so many bytes together; a larger one alone.
A bucket takes some 20 ms to answer, which is longer than a recording takes to convert."""


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A recording in storage; can be pickled for another process that reaches it."""

    id: str
    """POSIX path in the dataset, in NFC."""
    size: int
    """Size (bytes)."""
    mtime_ns: int
    """When it was written (nanoseconds)."""
    key: str
    storage: Storage

    @property
    def place(self) -> str:
        """Its address, for errors."""
        return self.storage.uri(self.key)


def list_stored(storage: Storage, entry: Entry) -> tuple[list[StoredMember], Tally]:
    """The recordings of a dataset in class folders, sorted by id, and the number of files used and left out.

    Rules are those of listing.list_files and fetch, without archives. Raises InputError.
    """
    if folder := storage.local():
        if not folder.is_dir():
            raise InputError(f"{storage.setting} {storage.address}: no such folder (~ is not expanded)")
        deque(visible_files(folder), maxlen=0)  # refuses broken links, which Arrow does not list
    members, left_out, folders = list[StoredMember](), Counter[str](), set[str]()
    start = len(storage.path("")) + 1
    for info in storage.entries(""):
        key = info.path[start:].rstrip("/")
        kind = _kind(storage, key, info, entry)
        if kind == "member":
            size, mtime = int(info.size or 0), int(info.mtime_ns or 0)
            members.append(StoredMember(_id(storage, key), size, mtime, key, storage))
        elif kind == "folder":
            folders.add(_id(storage, key))
        elif kind != "hidden folder":
            left_out[kind] += 1
    used = Counter(str(PurePosixPath(member.id).parent) for member in members)
    tally = Tally(used, left_out, folders)
    _check(storage, entry, tally)
    return in_order(storage.address, members), tally


def _kind(storage: Storage, key: str, info: FileInfo, entry: Entry) -> str:
    """member, folder, hidden folder, or the kind of a file that is left out. Raises InputError."""
    if info.type == FileType.Directory:
        return "hidden folder" if is_hidden(key) else "folder"
    if is_hidden(key):
        return "hidden"
    if is_archive(key):
        raise InputError(f"{storage.uri(key)}: archives in storage are not read; unpack it there, or remove it")
    return "member" if suffix_of(key) in entry.suffixes else kind_left_out(storage.uri(key), key)


def _id(storage: Storage, key: str) -> str:
    """The key in NFC, which is the same string for nearly all. Raises InputError for a name that is not allowed."""
    name = names.checked(storage.uri(key), names.file_path, key)
    return key if name == key else name


def _check(storage: Storage, entry: Entry, tally: Tally) -> None:
    """Raises InputError if there is no recording, or a class folder without one."""
    if not tally.used:
        raise InputError(
            f"{storage.setting} {storage.address}: no {' or '.join(entry.suffixes)} file there; name the folder that "
            "contains the class folders"
        )
    check_class_folders(storage.uri("").rstrip("/"), entry, tally)


def read_ahead(members: Iterable[StoredMember]) -> Iterator[bytes]:
    """Yields the bytes of each recording, while the next ones are on their way.

    Raises InputError, also if one has another size than when it was listed.
    """
    waiting, size = deque[tuple[int, Future[bytes]]](), 0
    pool = ThreadPoolExecutor(AHEAD)
    try:
        for member in members:
            while waiting and (len(waiting) == AHEAD or size + member.size > AHEAD_BYTES):
                first, content = waiting.popleft()
                yield content.result()
                size -= first
            waiting.append((member.size, pool.submit(_read, member)))
            size += member.size
        yield from (content.result() for _, content in waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _read(member: StoredMember) -> bytes:
    data = member.storage.read(member.key)
    if len(data) != member.size:
        raise InputError(
            f"{member.place}: has {len(data)} bytes, had {member.size} when it was listed; is it still being written? "
            "Run it again when it is complete"
        )
    return data
