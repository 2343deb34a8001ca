"""Fills a folder with a dataset: downloaded as published, copied from a folder, or made from installed packages."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256 as hash_sha256
from pathlib import Path, PurePosixPath

from pipeline.download.archives import is_archive
from pipeline.download.catalog import CATALOG, Entry, File
from pipeline.download.disk import check_space, link_or_copy, md5
from pipeline.download.embedded import copy_digits, record_digits
from pipeline.download.layout import split_files
from pipeline.download.listing import list_files, visible_files
from pipeline.download.shards import copy_shards, shards_storage
from pipeline.download.source import SOURCE_FILE, Source
from pipeline.download.tally import Tally, check_class_folders
from pipeline.download.title import check_own_title
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.ground.names import file_path
from pipeline.ground.params import DownloadParams
from pipeline.ground.paths import ROOT, RUNS
from pipeline.ground.progress import progress

DOWNLOADS = RUNS / "download"
"""Partial and verified downloads; outside DVC's outputs, which DVC deletes before a stage runs."""


def fetch(dataset: str, download: DownloadParams, into: Path) -> tuple[Source, Tally]:
    """Fills the folder `into` with a dataset, checks and counts it, and writes SOURCE.json. Raises InputError."""
    entry = check_download(dataset, download)
    if entry.decoder == "shards":
        tally = copy_shards(dataset, str(download.source), into)
    elif entry.origin == "user":
        tally = _copy_folder(dataset, entry, _folder(dataset, download), into)
    else:
        _fill(dataset, entry, download, into)
        tally = _tally(into, entry)
        _check_counts(dataset, entry, download.altered, tally)
    return _write_source(download, into), tally


def _fill(dataset: str, entry: Entry, download: DownloadParams, into: Path) -> None:
    if entry.origin == "embedded":
        _embed(into, download)
    elif download.source is None or _is_url(download.source):
        _download(dataset, entry, download, into)
    else:
        _copy_published(dataset, entry, download, into)


def check_download(dataset: str, download: DownloadParams) -> Entry:
    """The dataset's catalog entry. Raises InputError if its parameters do not fit together."""
    key = f"datasets.{dataset}.download"
    entry = CATALOG.get(download.catalog)
    if entry is None:
        raise InputError(f"{key}.catalog: unknown entry {download.catalog!r}; the catalog has {', '.join(CATALOG)}")
    if (download.camera is not None) != (download.catalog == "digits-dvs"):
        raise InputError(f"{key}.camera: required for digits-dvs, and only allowed there")
    if entry.origin == "embedded" and download.source is not None:
        raise InputError(f"{key}.source: {download.catalog} is made from installed packages; set it to null")
    if entry.origin == "user" and download.source is None:
        raise InputError(f"{key}.source: {download.catalog} is your own data; set it to the folder that holds it")
    if download.altered:
        _check_altered(key, entry, download)
    if download.title is not None:
        _check_title(key, entry, download)
    return entry


def check_source(dataset: str, entry: Entry, download: DownloadParams) -> None:
    """Raises InputError if the folder to copy is missing or cannot be used. Archives are not opened: they are large."""
    if download.source is None or (entry.origin != "user" and _is_url(download.source)):
        return
    if entry.decoder == "shards":
        shards_storage(dataset, str(download.source))
        return
    folder = _folder(dataset, download)
    if entry.origin != "user":
        _check_published(dataset, entry, folder)
    elif not any(is_archive(path.name) for path in visible_files(folder)):
        _usable(dataset, entry, folder)


def _check_title(key: str, entry: Entry, download: DownloadParams) -> None:
    if entry.origin != "user" and not download.altered:
        raise InputError(f"{key}.title: {entry.title} has a fixed title; only your own data can have another")
    check_own_title(f"{key}.title", str(download.title))


def _check_altered(key: str, entry: Entry, download: DownloadParams) -> None:
    if entry.origin != "published" or download.source is None:
        raise InputError(f"{key}.altered: only for a published dataset whose `source` is set")
    if entry.decoder != "recordings":
        raise InputError(
            f"{key}.altered: {entry.title} is published as Python pickles, which are opened only with the published "
            "digest, for safety"
        )


def _embed(into: Path, download: DownloadParams) -> None:
    if download.camera is None:
        copy_digits(into)
    else:
        record_digits(into, download.camera)


def _download(dataset: str, entry: Entry, download: DownloadParams, into: Path) -> None:
    from pipeline.download.transfer import Unreachable, transfer  # requests is imported only for downloads

    cache = DOWNLOADS / dataset
    if download.altered:  # altered files have the published names, so each address has its own folder
        cache = cache / hash_sha256(str(download.source).encode()).hexdigest()[:16]
    for file in _addressed(entry, download.source):
        try:
            whole = transfer(file, cache, pinned=not download.altered)
        except Unreachable as reasons:
            raise InputError(_manual_download(dataset, entry, file, str(reasons))) from None
        link_or_copy(whole, into / file.name)
    if download.altered:
        shutil.rmtree(cache)


def _addressed(entry: Entry, prefix: str | None) -> Iterator[File]:
    """The files of an entry with the addresses to try: the published ones, or those below a mirror's URL."""
    for file in entry.files:
        if prefix is None:
            yield file
            continue
        below = f"{prefix.rstrip('/')}/{file.name}"
        may_be_file = len(entry.files) == 1 and not prefix.endswith("/")
        yield replace(file, urls=(prefix, below) if may_be_file else (below,))


def _manual_download(dataset: str, entry: Entry, file: File, reasons: str) -> str:
    files = "\n".join(f"  {file.name} (MD5 {file.md5}): {file.urls[-1]}" for file in entry.files)
    return (
        f"{dataset}: {file.name} of {entry.title} could not be downloaded:\n{reasons}\n"
        "Run it again to resume, or download by hand, put all of these files in one folder, and set "
        f"datasets.{dataset}.download.source in params.yaml to that folder:\n{files}"
    )


def _copy_published(dataset: str, entry: Entry, download: DownloadParams, into: Path) -> None:
    folder = _folder(dataset, download)
    _check_published(dataset, entry, folder)
    _copy([folder / file.name for file in entry.files], folder, into)
    for file in entry.files:
        found = md5(into / file.name)
        if found != file.md5 and not download.altered:
            raise InputError(
                f"{folder / file.name}: expected MD5 {file.md5}, found {found}; download it again; if it is "
                f"intentionally another selection of {entry.title}, set datasets.{dataset}.download.altered to true"
            )


def _check_published(dataset: str, entry: Entry, folder: Path) -> None:
    missing = [file.name for file in entry.files if not (folder / file.name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: {', '.join(missing)} not found; datasets.{dataset}.download.source must hold all files of "
            f"{entry.title} under their published names"
        )


def _copy_folder(dataset: str, entry: Entry, folder: Path, into: Path) -> Tally:
    tally = _usable(dataset, entry, folder)
    _copy([path for path in visible_files(folder) if path != folder / SOURCE_FILE], folder, into)
    if (copied := _tally(into, entry).used) != tally.used:
        raise InputError(
            f"{folder}: found {tally.used.total()} files to use, but copied {copied.total()}; are files still being "
            "written or removed there? Run it again when it is complete"
        )
    return tally


def _usable(dataset: str, entry: Entry, folder: Path) -> Tally:
    """The files of the user's folder, counted. Raises InputError if there is none, or one or a folder has no class."""
    tally = _tally(folder, entry)
    if not tally.used:
        other = (
            f"; for folders of {entry.sample} files use `catalog: {entry.kind}`" if entry.decoder == "parquet" else ""
        )
        raise InputError(
            f"{folder}: no {' or '.join(entry.suffixes)} file in it or in its archives; "
            f"set datasets.{dataset}.download.source to the folder that contains them{other}"
        )
    if entry.class_from == "folder":
        check_class_folders(str(folder), entry, tally)
    return tally


def _copy(paths: list[Path], folder: Path, into: Path) -> None:
    """Copies files, keeping their paths below `folder`, and verifies each copy. Raises InputError if one differs."""
    sizes = [path.stat().st_size for path in paths]
    check_space(into, sum(sizes))
    with progress(f"copying {folder.name}", total=sum(sizes), unit="B") as bar:
        for path, size in zip(paths, sizes, strict=True):
            target = into / file_path(path.relative_to(folder).as_posix())
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            if sha256(target) != sha256(path):
                raise InputError(
                    f"{path}: the copy differs; is it still being written? Run it again when it is complete"
                )
            bar.update(size)


def _folder(dataset: str, download: DownloadParams) -> Path:
    """The folder that `source` names, relative to the repository. Raises InputError."""
    source = str(download.source)
    try:
        folder = ROOT / source
        found = folder.is_dir() and not _is_url(source)
    except OSError:  # a name that is too long, or a symbolic link loop
        found = False
    if not found:
        raise InputError(f"datasets.{dataset}.download.source: {source} is not a folder on this machine")
    if ROOT.is_relative_to(folder.resolve()):
        raise InputError(
            f"datasets.{dataset}.download.source: {source} contains this repository; name a folder with only data"
        )
    return folder


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _tally(folder: Path, entry: Entry) -> Tally:
    """Counts the files in a folder and in its archives. Raises InputError."""
    if not entry.suffixes:
        return Tally(Counter(path.name for path in visible_files(folder)), Counter(), set())
    found = list_files(folder, entry.suffixes)
    if entry.decoder == "parquet" and found.members:
        files, others = split_files(folder, found.members)
        return Tally(Counter({split: len(files[split]) for split in files}), found.left_out + others, found.folders)
    used = Counter(str(PurePosixPath(member.id).parent) for member in found.members)
    return Tally(used, found.left_out, found.folders)


def _check_counts(dataset: str, entry: Entry, altered: bool, tally: Tally) -> None:
    """Raises InputError unless each folder has its published number of recordings, or altered data at least one."""
    if entry.kind == "images":
        return
    if altered and tally.used:
        print(f"{dataset}: altered, not the published {entry.title}; every report says so", file=sys.stderr)
    elif not tally.used:
        raise InputError(
            f"{dataset}: no {' or '.join(entry.suffixes)} file in {', '.join(file.name for file in entry.files)}"
        )
    folders: Counter[str] = Counter()
    for place, number in tally.used.items():
        folders.update(dict.fromkeys(PurePosixPath(place).parts, number))
    for folder, expected in (entry.counts or {}).items():
        if folders[folder] != expected and not altered:
            raise InputError(
                f"{dataset}: {folder} has {folders[folder]} recordings, expected {expected}; "
                f"the archive is not the published one"
            )


def _write_source(download: DownloadParams, into: Path) -> Source:
    files = {path.relative_to(into).as_posix(): sha256(path) for path in visible_files(into)}
    source = Source(catalog=download.catalog, title=download.title, files=files)
    (into / SOURCE_FILE).write_text(json.dumps(asdict(source), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return source
