"""A dataset from any source arrives complete, and SOURCE.json describes it."""

import hashlib
import json
import os
import socket
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.download import fetch as module
from pipeline.download import transfer
from pipeline.download.catalog import CATALOG, File
from pipeline.download.fetch import fetch
from pipeline.download.source import Source, read_source
from pipeline.download.title import ALTERED, title_of_files
from pipeline.ground.errors import InputError
from tests.download.made import folder_of, params, sha256, zipped
from tests.download.site import Page, Site, running

Usage = namedtuple("Usage", "total used free")


CAT = zipped([f"cat/cifar10_cat_{number}.aedat" for number in range(3)])
DOG = zipped([f"dog/cifar10_dog_{number}.aedat" for number in range(3)])
OTHER_DOG = zipped(["dog/cifar10_dog_0.aedat"])
CONTENTS = {"cat.zip": CAT, "dog.zip": DOG}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as site:
        yield site


@pytest.fixture(autouse=True)
def two_classes(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR10-DVS of two classes with three recordings each, published on the loopback."""
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "DOWNLOADS", tmp_path / "downloads")
    files = tuple(
        File(name=name, urls=(site.add(f"/{name}", Page(content)),), md5=md5(content))
        for name, content in CONTENTS.items()
    )
    entry = replace(CATALOG["cifar10-dvs"], files=files, counts={"cat": 3, "dog": 3})
    monkeypatch.setitem(CATALOG, "cifar10-dvs", entry)


def publish(monkeypatch: pytest.MonkeyPatch, site: Site, name: str, content: bytes) -> None:
    """Makes `content` what the catalog pins and the site serves as `name`."""
    entry = CATALOG["cifar10-dvs"]
    files = tuple(replace(file, md5=md5(content)) if file.name == name else file for file in entry.files)
    monkeypatch.setitem(CATALOG, "cifar10-dvs", replace(entry, files=files))
    site.pages[f"/{name}"].content = content


def test_published_files_arrive_and_are_kept_for_the_next_time(site: Site, into: Path, tmp_path: Path) -> None:
    source, _ = fetch("events", params(), into)
    assert source == Source(
        catalog="cifar10-dvs",
        title=None,
        files={"cat.zip": sha256(CAT), "dog.zip": sha256(DOG)},
    )
    assert {path.name: path.read_bytes() for path in into.glob("*.zip")} == CONTENTS
    assert os.path.samefile(into / "cat.zip", tmp_path / "downloads" / "events" / "cat.zip")
    site.served.clear()
    (tmp_path / "again").mkdir()
    assert fetch("events", params(), tmp_path / "again")[0] == source
    assert site.served == []
    assert (tmp_path / "again" / "SOURCE.json").read_bytes() == (into / "SOURCE.json").read_bytes()


def test_source_json_is_read_back_and_knows_nothing_of_the_machine(into: Path, tmp_path: Path) -> None:
    source, _ = fetch("events", params(source=folder_of(tmp_path, CONTENTS)), into)
    assert read_source(into) == source
    text = (into / "SOURCE.json").read_text()
    assert set(json.loads(text)) == {"catalog", "title", "files"}
    assert str(tmp_path) not in text


@pytest.mark.parametrize("text", ["", "[]", '{"catalog": "x"}', "{"])
def test_a_source_json_that_is_not_ours_is_refused(into: Path, text: str) -> None:
    (into / "SOURCE.json").write_text(text)
    with pytest.raises(InputError, match=r"run (that stage again|the stage `download` first)"):
        read_source(into)


def test_a_missing_source_json_names_the_stage(into: Path) -> None:
    with pytest.raises(InputError, match="run the stage `download` first"):
        read_source(into)


def test_without_hard_links_the_files_are_copied(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    fetch("events", params(), into)
    assert {path.name: path.read_bytes() for path in into.glob("*.zip")} == CONTENTS


def test_without_a_network_one_error_says_what_to_download_by_hand(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"
    entry = CATALOG["cifar10-dvs"]
    files = tuple(replace(file, urls=(address + file.name,)) for file in entry.files)
    monkeypatch.setitem(CATALOG, "cifar10-dvs", replace(entry, files=files))
    with pytest.raises(InputError) as error:
        fetch("events", params(), into)
    text = str(error.value)
    assert "events: cat.zip of CIFAR10-DVS could not be downloaded" in text
    assert "refused" in text
    assert "datasets.events.download.source" in text
    for name, content in CONTENTS.items():
        assert f"{name} (MD5 {md5(content)}): {address}{name}" in text


def test_wrong_bytes_never_reach_the_dataset_and_both_digests_are_named(site: Site, into: Path, tmp_path: Path) -> None:
    site.pages["/dog.zip"].content = OTHER_DOG
    with pytest.raises(InputError, match=f"{md5(OTHER_DOG)}, expected {md5(DOG)}"):
        fetch("events", params(), into)
    assert not list(tmp_path.glob("**/dog.zip*"))


def test_a_class_with_too_few_recordings_is_named(site: Site, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, site, "dog.zip", OTHER_DOG)
    with pytest.raises(InputError, match="dog has 1 recordings, expected 3"):
        fetch("events", params(), into)


def test_an_archive_that_is_no_archive_is_refused(site: Site, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, site, "dog.zip", b"not a zip at all")
    with pytest.raises(InputError, match=r"dog\.zip: damaged or truncated"):
        fetch("events", params(), into)


def test_a_mirror_is_asked_below_its_prefix(site: Site, into: Path) -> None:
    for name in CONTENTS:
        site.pages[f"/mirror/{name}"] = site.pages.pop(f"/{name}")
    fetch("events", params(source=f"{site.address}/mirror/"), into)
    assert title_of_files("events", into).published
    assert [path for path, _, _ in site.served] == ["/mirror/cat.zip", "/mirror/dog.zip"]


@pytest.mark.parametrize(
    ("source", "asked"),
    [("/files/7", ["/files/7"]), ("/mirror", ["/mirror", "/mirror/cat.zip"]), ("/mirror/", ["/mirror/cat.zip"])],
)
def test_the_url_of_a_single_file_may_be_the_file(
    site: Site, into: Path, monkeypatch: pytest.MonkeyPatch, source: str, asked: list[str]
) -> None:
    entry = CATALOG["cifar10-dvs"]
    monkeypatch.setitem(CATALOG, "cifar10-dvs", replace(entry, files=entry.files[:1], counts={"cat": 3}))
    site.add("/files/7", Page(CAT))
    site.add("/mirror/cat.zip", Page(CAT))
    fetch("events", params(source=site.address + source), into)
    assert [path for path, _, _ in site.served] == asked


def test_a_folder_with_the_published_files_is_copied_and_verified(site: Site, into: Path, tmp_path: Path) -> None:
    source, _ = fetch("events", params(source=folder_of(tmp_path, CONTENTS | {"readme.txt": b"left out"})), into)
    assert sorted(source.files) == ["cat.zip", "dog.zip"]
    assert not os.path.samefile(into / "cat.zip", tmp_path / "mine" / "cat.zip")
    assert site.served == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("/no/such/folder", "is not a folder"),
        ("a" * 5000, "is not a folder"),
        (".", "contains this repository"),
        ("/", "contains this repository"),
    ],
)
def test_a_source_that_cannot_be_one_is_one_error(into: Path, source: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"datasets\.events\.download\.source: .* {reason}"):
        fetch("events", params(source=source), into)


def test_a_home_folder_is_not_expanded() -> None:
    for source in ("~", "~/data", "~somebody/data"):
        with pytest.raises(ValidationError, match=f"source is '{source}'; ~ is not expanded; write the whole path"):
            params(source=source)


@pytest.mark.parametrize("source", ["", " ", "a\nb", "a\x00b", " a", "s3://bucket/x", "file:///x", "ftp://host/x"])
def test_a_source_that_is_no_path_and_no_web_address_is_no_parameter(source: str) -> None:
    with pytest.raises(ValidationError):
        params(source=source)


def test_a_folder_that_lacks_files_names_them(into: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine: dog\.zip not found"):
        fetch("events", params(source=folder_of(tmp_path, {"cat.zip": CAT})), into)


def test_other_bytes_in_a_folder_need_to_be_called_altered(
    into: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path, {"cat.zip": CAT, "dog.zip": OTHER_DOG})
    with pytest.raises(InputError, match=f"expected MD5 {md5(DOG)}, found {md5(OTHER_DOG)}.*altered to true"):
        fetch("events", params(source=folder), into)
    source, _ = fetch("events", params(source=folder, altered=True), into)
    title = title_of_files("events", into)
    assert (title.title, title.published, title.note) == ("CIFAR10-DVS (altered)", False, ALTERED)
    assert source.files["dog.zip"] == sha256(OTHER_DOG)
    assert "altered, not the published CIFAR10-DVS" in capsys.readouterr().err


def test_altered_files_of_a_mirror_never_mix_with_others(site: Site, into: Path, tmp_path: Path) -> None:
    site.add("/small/cat.zip", Page(CAT))
    site.add("/small/dog.zip", Page(OTHER_DOG))
    (tmp_path / "first").mkdir()
    fetch("events", params(), tmp_path / "first")
    altered, _ = fetch("events", params(source=f"{site.address}/small", altered=True), into)
    assert altered.files["dog.zip"] == sha256(OTHER_DOG)
    assert sorted(path.name for path in (tmp_path / "downloads" / "events").iterdir()) == ["cat.zip", "dog.zip"]


def test_altered_archives_without_a_recording_are_refused(into: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"cat.zip": zipped(["a.txt"]), "dog.zip": zipped([])})
    with pytest.raises(InputError, match=r"no \.aedat file in cat\.zip, dog\.zip"):
        fetch("events", params(source=folder, altered=True), into)


def test_published_archives_are_counted_by_folder(into: Path) -> None:
    _, tally = fetch("events", params(), into)
    assert str(tally) == "6 file(s) found, 6 used (cat 3, dog 3), 0 left out"
