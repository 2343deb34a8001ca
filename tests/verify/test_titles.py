"""A report uses a title of the catalog for its data only if rows or raw files prove it."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.data.store import Manifest
from pipeline.download.catalog import CATALOG
from pipeline.download.title import Title, title_of_entry
from pipeline.verify.titles import titles, unpinned_titles
from tests.download.test_title import says

DIGITS = CATALOG["digits"].pinned
assert DIGITS is not None
OWN = Title(title="Own", published=False, note=None, licence="mine", citation="mine")


MANIFEST = Manifest(
    version=1,
    dataset="mine",
    kind="images",
    split="train",
    split_rule="official",
    framing_rule=None,
    scale=1.0,
    classes=["a"],
    sample_shape=[1, 32, 32],
    shards=1,
    rows=1,
    rows_per_class=[1],
    digest="",
    **asdict(OWN),
)


def reported(folder: Path, title: Title, root: Path | None = None, **others: Any) -> Any:
    """A report of one dataset, named mine."""
    evidence = folder / "evidence"
    arrow = evidence / "data" / "arrow" / "mine"
    arrow.mkdir(parents=True)
    for split in ("train", "test"):
        manifest = asdict(MANIFEST) | asdict(title) | {"digest": DIGITS.rows[split]} | others
        (arrow / f"{split}.json").write_text(json.dumps(manifest))
    records = [SimpleNamespace(dataset={"name": "mine"})]
    audit = SimpleNamespace(records=records, recorded=[])
    return SimpleNamespace(audit=audit, evidence=evidence, root=root, name=lambda path: path.name)


def test_pinned_rows_have_their_title(tmp_path: Path) -> None:
    report = reported(tmp_path, title_of_entry(CATALOG["digits"]))
    assert (list(titles(report)), list(unpinned_titles(report))) == ([], [])


@pytest.mark.parametrize(
    ("title", "others", "expected"),
    [
        (title_of_entry(CATALOG["digits"]), {"digest": "00"}, f"digest {DIGITS.rows['train']} by the catalog"),
        (title_of_entry(CATALOG["digits"]), {"published": False}, "published True by the catalog"),
        (OWN, {"published": True}, "published False by the catalog"),
        (replace(OWN, title="СIFАR-10"), {}, "title CIFAR-10 by the catalog"),
        (title_of_entry(CATALOG["cifar10-dvs-aedat4"]), {"note": None}, "note re-encoded; the paper used"),
    ],
)
def test_what_the_catalog_does_not_entitle_to_is_a_break(
    tmp_path: Path, title: Title, others: dict[str, Any], expected: str
) -> None:
    found = list(titles(reported(tmp_path, title, **others)))
    assert found[0].link == "title"
    assert found[0].expected.startswith(expected)


def test_a_title_without_pinned_rows_rests_on_the_raw_files(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw" / "mine"
    raw.mkdir(parents=True)
    (raw / "train-00000-of-00001.parquet").write_bytes(b"images")
    says(raw, "parquet-images", "Own")
    title = title_of_entry(CATALOG["cifar10"])
    report = reported(tmp_path / "alone", title)
    assert list(titles(report)) == []
    assert [
        note.startswith("mine: only its raw files can show that it is CIFAR-10") for note in unpinned_titles(report)
    ] == [True]
    found = list(titles(reported(tmp_path / "rooted", title, tmp_path)))
    assert {"title Own as the raw files give it", "published False as the raw files give it"} <= {
        broken.expected for broken in found
    }
