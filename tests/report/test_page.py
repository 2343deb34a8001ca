"""The report of a tiny real record: a self-contained file, and tracked files with reproducible bytes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.contents import Same
from pipeline.ground.digests import FileDigest
from pipeline.ground.paths import CLAIMS
from pipeline.ground.stage_record import StageRecord, path_of
from pipeline.judge.audit import Audit, make_audit
from pipeline.protocol.curves import Curves
from pipeline.report.figures import confusion_chart
from pipeline.report.page import make_page, page_files
from pipeline.report.split_manifest import SplitManifest
from pipeline.report.vega import vega_script
from tests.evaluate.made import RECORD, record
from tests.report.made import write_pictures

TWICE = Same(part="test", other="train", samples=1, of=9, examples=[("cat/1", "cat/2")])
SPLITS = [SplitManifest(dataset="tiny", samples={"test": 9}, digests={"test": "ab" * 32}, duplicates=[TWICE])]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository's results, artifacts and records of one training."""
    RECORD.write(tmp_path / "results" / "tiny" / "0.json")
    record(850, experiment="other", dataset={**RECORD.dataset, "title": "Other <b>data</b>"}).write(
        tmp_path / "results" / "other" / "0.json"
    )
    folder = tmp_path / "artifacts" / "tiny" / "0"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,train_accuracy,validation_accuracy\n1,50,\n2,70,\n")
    pixels = np.random.default_rng(0).integers(0, 4, (2, 5, 2, 8, 8), dtype=np.uint8)
    write_pictures(folder / "examples.parquet", pixels, ["x", "y"], [0, 1], [0, 2])
    read, code = ([FileDigest(path=name, sha256=name * 64, bytes=1)] for name in "ab")
    made = {"command": [], "python": "3.11.7", "packages": {"torch": "2.15"}, "parameters": {}}
    stage = StageRecord(stage="train@tiny-0", code=code, reads=read, writes=2 * read, **made)
    stage.write(tmp_path / path_of(stage.stage))
    return tmp_path


def audit_of(root: Path) -> Audit:
    return make_audit("tiny", CLAIMS, root, [root / "results" / "tiny" / "0.json"])


def written(root: Path) -> tuple[str, str]:
    files = page_files(make_page(audit_of(root), root, SPLITS), vega_script())
    return files["index.html"].decode(), files["report.md"].decode()


def specs_of(html: str) -> dict[str, Any]:
    """Specifications of all charts by the id of their place."""
    parts = re.findall(r'class="specs"[^>]*>(.*?)</script>', html, re.DOTALL)
    return {name: spec for part in parts for name, spec in json.loads(part).items()}


def test_both_forms_say_the_numbers(root: Path) -> None:
    for text in (re.sub(r"</?data[^>]*>", "", text) for text in written(root)):
        assert re.search("900 of 1,?000", text)
        assert re.search(r"90\.00 %.*\[87\.98, 91\.71\]", text, re.DOTALL)
        assert "Python 3.11.7, torch 2.15" in text
        assert "94.14 %" in text
        assert "NOT RUN" in text


def test_the_page_asks_for_nothing(root: Path) -> None:
    html = re.sub(r"<script.*?</script>", "", written(root)[0], flags=re.DOTALL)
    sources = re.findall(r"""src=["']([^"']+)""", html)
    assert sources, "the page has a picture"
    assert all(source.startswith("data:") for source in sources)
    elsewhere = {link for link in re.findall(r"""href=["']([^"']+)""", html) if re.match("[a-z]+:", link)}
    assert elsewhere == {"data:,", "https://doi.org/10.1088/2634-4386/ac8bef"}
    assert not re.search(r"<link[^>]+stylesheet|@import|url\(", html)


def test_the_band_of_recorded_trainings(root: Path) -> None:
    histories = {str(seed): {"train_loss": [2, 1], "train_accuracy": [50 + seed, 70]} for seed in range(4)}
    training, path = RECORD.training, root / "results" / "curves-tiny.json"
    Curves(experiment="tiny", network=RECORD.network, training=training, data_digest="dd", histories=histories).write(
        path
    )
    html, _ = written(root)
    training = specs_of(html)["training-tiny-0"]
    assert [layer["mark"]["type"] for layer in training["layer"]] == ["area", "line"]
    assert "the band in which recorded trainings" in training["description"]
    assert training["datasets"]["rows"] == [{"samples": "train", "accuracy": [50.0, 70.0]}]
    (band,) = training["datasets"]["band"]
    assert all(low <= found <= high for low, found, high in zip(band["low"], [50, 70], band["high"], strict=True))


def test_names_cannot_become_markup(root: Path) -> None:
    html, _ = written(root)
    assert "Other &lt;b&gt;data&lt;/b&gt;" in html
    assert "Other <b>data</b>" not in html


def test_samples_that_are_tested_and_trained_on_stand_out(root: Path) -> None:
    html, markdown = written(root)
    assert '<b class="wrong">1 of 9 test samples are also in train: cat/1 = cat/2</b>' in html
    assert "**1 of 9 test samples are also in train: cat/1 = cat/2**" in markdown
    assert all("ab" * 8 in text for text in (html, markdown))


def test_every_place_for_a_chart_has_a_chart(root: Path) -> None:
    html, _ = written(root)
    specs = specs_of(html)
    assert set(re.findall(r'class="chart" id="([^"]+)"', html)) == specs.keys()
    of_a_run = {f"{what}-tiny-0" for what in ("training", "steps", "confusion", "firing")}
    assert specs.keys() == {"claims"} | of_a_run


def test_a_hundred_classes_have_a_chart_of_a_row_a_class() -> None:
    classes = {"classes": [str(i) for i in range(100)]}
    confusion = (np.eye(100, dtype=int) * 7 + np.eye(100, k=3, dtype=int) * 2).tolist()
    chart = confusion_chart(replace(RECORD, dataset=classes, test=RECORD.test | {"confusion": confusion}))
    assert len(chart["datasets"]["rows"]) == 100
    assert chart["datasets"]["rows"][0] == {"label": "0", "of": 9, "samples": confusion[0]}
    assert chart["description"] == ("194 test samples are taken for another class; most often 0 for 3, 2 of 9.")


def test_the_audit_is_the_same_each_time(root: Path) -> None:
    contents = [audit_of(root).as_json() for _ in range(2)]
    assert contents[0] == contents[1]
    claims = {claim["id"]: claim for claim in json.loads(contents[0])["claims"]}
    assert (claims["cifar10-accuracy"]["verdict"], claims["cifar10-accuracy"]["printed"]) == ("NOT RUN", "94.14 %")
