"""A title of the catalog is given only to files that the catalog pins."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.download.catalog import CATALOG, File
from pipeline.download.disk import md5
from pipeline.download.embedded import copy_digits
from pipeline.download.title import ALTERED, check_own_title, title_of_entry, title_of_files
from pipeline.ground.errors import InputError


def says(raw: Path, catalog: str, title: str | None = None) -> None:
    (raw / "SOURCE.json").write_text(json.dumps({"catalog": catalog, "title": title, "files": {}}))


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the catalog pins for cifar10-dvs, here one small archive."""
    (tmp_path / "cat.zip").write_bytes(b"published")
    file = File(name="cat.zip", urls=(), md5=md5(tmp_path / "cat.zip"))
    monkeypatch.setitem(CATALOG, "cifar10-dvs", replace(CATALOG["cifar10-dvs"], files=(file,)))
    says(tmp_path, "cifar10-dvs", "Mine")
    return tmp_path


def test_pinned_files_have_the_title_of_the_catalog_whatever_source_json_says(pinned: Path) -> None:
    assert title_of_files("events", pinned) == title_of_entry(CATALOG["cifar10-dvs"])


@pytest.mark.parametrize(("name", "content"), [("cat.zip", b"others"), ("more.zip", b"one more")])
def test_other_bytes_and_further_files_are_the_users(pinned: Path, name: str, content: bytes) -> None:
    (pinned / name).write_bytes(content)
    title = title_of_files("events", pinned)
    assert (title.title, title.published, title.note) == ("Mine", False, ALTERED)
    says(pinned, "cifar10-dvs")
    assert title_of_files("events", pinned).title == "CIFAR10-DVS (altered)"


def test_images_do_not_become_cifar10_by_source_json(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"images")
    says(tmp_path, "cifar10")
    with pytest.raises(InputError, match="digests differ from the files of CIFAR-10"):
        title_of_files("mine", tmp_path)
    says(tmp_path, "parquet-images", "CIFAR-10")
    with pytest.raises(InputError, match="title: CIFAR-10 is the name of a published dataset"):
        title_of_files("mine", tmp_path)
    says(tmp_path, "no-such-entry")
    with pytest.raises(InputError, match="unknown catalog 'no-such-entry'"):
        title_of_files("mine", tmp_path)


def test_the_digits_are_what_scikit_learn_ships(tmp_path: Path) -> None:
    copy_digits(tmp_path)
    says(tmp_path, "digits", "CIFAR-10")
    assert title_of_files("digits", tmp_path) == title_of_entry(CATALOG["digits"])


@pytest.mark.parametrize(
    "title",
    [
        "cifar 10",
        "CIFAR10",
        "СІFАR-10",
        "ＣＩＦＡＲ－１０",
        "CIFAR-1O",
        "CIFAR\u200d-10",
        "Ν-ΜΝΙЅТ",
        "Dɪgits",
        "digits-dvs SIMULATED",
    ],
)
def test_a_title_that_looks_like_one_of_the_catalog_is_refused(title: str) -> None:
    with pytest.raises(InputError, match=r"here: .* looks like .*, the name of a published dataset"):
        check_own_title("here", title)


@pytest.mark.parametrize(
    "title", ["CIFAR-10 (JPEG q75)", "CIFAR-11", "DVS128 objects", "N-MNIST (small)", "数据", "Gesten"]
)
def test_other_titles_are_the_users_to_choose(title: str) -> None:
    check_own_title("here", title)
