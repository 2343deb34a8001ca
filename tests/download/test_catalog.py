"""Checks the catalog for consistency, and against libraries that pin the same files."""

import importlib.util
import re
from pathlib import Path

import pytest

from pipeline.download.catalog import CATALOG, File

PUBLISHED = [name for name, entry in CATALOG.items() if entry.origin == "published"]


def source_of(package: str, path: str) -> str:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / path).read_text(encoding="utf-8")


def files() -> list[File]:
    return [file for name in PUBLISHED for file in CATALOG[name].files]


def test_every_file_has_addresses_and_a_digest_of_its_own() -> None:
    assert len(files()) == 18
    assert all(re.fullmatch(r"[0-9a-f]{32}", file.md5) for file in files())
    assert len({file.md5 for file in files()}) == len(files())
    assert all(url.startswith("https://") for file in files() for url in file.urls)
    urls = [url for file in files() for url in file.urls]
    assert len(set(urls)) == len(urls)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("nmnist", "nmnist.py"),
        ("ncaltech101", "ncaltech101.py"),
        ("dvs-gesture", "dvsgesture.py"),
        ("cifar10-dvs-aedat4", "cifar10dvs.py"),
    ],
)
def test_addresses_digests_and_names_are_those_of_tonic(name: str, module: str) -> None:
    text = source_of("tonic", f"datasets/{module}")
    base = re.search(r'base_url = "(.*)"', text)
    for file in CATALOG[name].files:
        assert f'"{file.name}"' in text
        assert f'"{file.md5}"' in text
        assert f'"{file.urls[-1].removeprefix(base[1] if base else "")}"' in text


@pytest.mark.parametrize(("name", "class_"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_addresses_and_digests_are_those_of_torchvision(name: str, class_: str) -> None:
    text = source_of("torchvision", "datasets/cifar.py").split(f"class {class_}(")[1].split("\nclass ")[0]
    (file,) = CATALOG[name].files
    assert f'url = "{file.urls[0]}"' in text
    assert f'filename = "{file.name}"' in text
    assert f'tgz_md5 = "{file.md5}"' in text


def test_cifar10_dvs_is_ten_archives_of_a_thousand_recordings() -> None:
    entry = CATALOG["cifar10-dvs"]
    assert entry.classes is not None
    assert len(entry.classes) == 10
    assert [file.name for file in entry.files] == [f"{name}.zip" for name in entry.classes]
    assert entry.counts == dict.fromkeys(entry.classes, 1000)
    assert entry.files[0].urls == (
        "https://api.figshare.com/v2/file/download/7712788",
        "https://ndownloader.figshare.com/files/7712788",
        "https://figshare.com/ndownloader/files/7712788",
    )


def test_ncaltech101_is_one_archive_of_8709_recordings_without_a_published_split() -> None:
    entry = CATALOG["ncaltech101"]
    assert [file.name for file in entry.files] == ["Caltech101.zip"]
    assert (entry.counts, entry.sensor, entry.splits) == ({"Caltech101": 8709}, (240, 180), ("every-fifth-tests",))
    assert entry.note == "its publisher gives no split"


@pytest.mark.parametrize("name", CATALOG)
def test_an_entry_fits_together(name: str) -> None:
    entry = CATALOG[name]
    assert entry.splits
    assert (entry.origin == "published") == bool(entry.files)
    assert entry.decoder == "parquet" or (entry.kind == "recordings") == (entry.decoder in ("recordings", "shards"))
    assert entry.sensor is None or (entry.origin, entry.decoder) == ("published", "recordings")
    assert (entry.class_from is not None) == (entry.decoder in ("recordings", "image files", "shards"))
    assert entry.official is None or (entry.splits == ("official",) and set(entry.official) == set(entry.counts or {}))
    assert entry.kind == "images" or entry.suffixes or entry.decoder == "shards"


def test_simulated_recordings_are_called_simulated() -> None:
    assert "simulated" in CATALOG["digits-dvs"].title
    assert "simulated" in (CATALOG["digits-dvs"].note or "")
