"""For any name of a class, sample or dataset the report has the same elements and shows the name as text."""

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from pipeline.data.contents import Same
from pipeline.ground.files import write_whole
from pipeline.ground.paths import CLAIMS
from pipeline.judge.audit import make_audit
from pipeline.report.page import make_page, page_files
from pipeline.report.split_manifest import SplitManifest
from pipeline.report.vega import vega_script
from tests.download.test_data_names import NAMES
from tests.evaluate.made import record
from tests.report.made import write_pictures
from tests.report.test_evidence import LEDGER, OPERATIONS, PROTOCOLS

HOSTILE = (
    *NAMES,
    "</script>",
    "</b>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:b)",
    "![a](b)",
    "**a**",
    "a/b",
    "&lt;",
)
THREE = [HOSTILE[start : start + 3] for start in range(0, len(HOSTILE) - 2, 3)]


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(f"{tag} {[name for name, _ in attributes]}")

    def handle_data(self, data: str) -> None:
        self.text += data


def report(root: Path, names: Sequence[str]) -> Path:
    """The report's folder of one run, all of whose data have such names."""
    dropped = [{"id": name, "label": name, "correct": True} for name in names]
    dataset = {"title": names[0], "note": names[1], "split_rule": names[2], "classes": list(names)}
    made = record(
        protocols=PROTOCOLS,
        ledger=LEDGER | {"dropped": dropped},
        operations=OPERATIONS.as_json(),
        dataset=record().dataset | dataset,
    )
    made.write(root / "results" / "tiny" / "0.json")
    folder = root / "artifacts" / "tiny" / "0"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,train_accuracy,validation_accuracy\n1,50,\n2,70,\n")
    write_pictures(
        folder / "examples.parquet", np.ones((3, 1, 8, 8), np.uint8), list(names), [0, 1, 2], [0, 2, 1], names
    )
    same = Same(part="test", other="train", samples=1, of=9, examples=[(names[0], names[1])])
    splits = [SplitManifest(dataset="tiny", samples={"test": 9}, digests={"test": "ab" * 32}, duplicates=[same])]
    audit = make_audit("tiny", CLAIMS, root, [root / "results" / "tiny" / "0.json"])
    for name, content in page_files(make_page(audit, root, splits), vega_script()).items():
        write_whole(root / "report" / name, content)
    return root / "report"


def read(path: Path) -> Elements:
    page = Elements()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def rendered(path: Path) -> Elements:
    """Markdown as GitHub shows it, without the metadata before it."""
    page, text = Elements(), path.read_text(encoding="utf-8")
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    page.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))
    return page


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(tmp_path_factory.mktemp("plain"), ["one", "two", "three"])


@pytest.mark.parametrize("names", THREE, ids=[ascii(names[0]) for names in THREE])
def test_names_are_text_on_the_page_in_markdown_and_in_charts(
    plain: Path, tmp_path: Path, names: Sequence[str]
) -> None:
    folder = report(tmp_path, names)
    html = read(folder / "index.html")
    assert html.elements == read(plain / "index.html").elements
    assert all(name in html.text for name in names)
    for file in ("report.md", "models/tiny-0.md"):
        body = rendered(folder / file)
        assert body.elements == rendered(plain / file).elements, file
        assert names[0] in body.text
    scripts = re.findall(
        r'class="specs"[^>]*>(.*?)</script>', (folder / "index.html").read_text(encoding="utf-8"), re.DOTALL
    )
    assert scripts
    assert not any("<" in script for script in scripts)
    specs = {name: spec for script in scripts for name, spec in json.loads(script).items()}
    assert [row["label"] for row in specs["confusion-tiny-0"]["datasets"]["rows"]] == list(names)
