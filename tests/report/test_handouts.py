"""The handouts are well-formed files with the numbers of the records; the citation."""

import csv
import io
import tomllib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from pipeline.evaluate.record import spikes_a_neuron
from pipeline.ground.paths import CLAIMS, ROOT
from pipeline.judge.audit import Audit, make_audit
from pipeline.report.badge import badge
from pipeline.report.handouts import handouts
from pipeline.report.summary import answer
from tests.evaluate.made import RECORD, record

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Of one training of this profile and one recorded before."""
    RECORD.write(tmp_path / "results" / "tiny" / "0.json")
    record(850, experiment="other").write(tmp_path / "results" / "other" / "0.json")
    return make_audit("tiny", CLAIMS, tmp_path, [tmp_path / "results" / "tiny" / "0.json"])


def found(audit: Audit, verdict: str) -> Audit:
    """The same, had every claim this verdict and number."""
    changes = {"verdict": verdict, "estimate": 94.05, "low": 93.5, "high": 94.6, "seeds": [0, 1], "samples": 10_000}
    return replace(audit, judgements=[replace(one, **changes) for one in audit.judgements])


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_badges_say_claim_verdict_number_and_seeds(audit: Audit) -> None:
    assert texts(handouts(audit)["badges/cifar10-accuracy.svg"]) == ["CIFAR-10 94.14 %", "NOT RUN"]
    assert texts(handouts(audit)["badge.svg"]) == ["6 accuracies of the paper", "6 not run"]
    made = handouts(found(audit, "REPRODUCED"))
    assert texts(made["badges/cifar10-accuracy.svg"])[1] == "REPRODUCED 94.05 %, n = 2"
    assert b"#0b6e4f" in made["badges/cifar10-accuracy.svg"]


def test_a_badge_is_named_for_a_screen_reader_and_no_markup() -> None:
    picture = ET.fromstring(badge('<"a&b">', "BELOW", "BELOW"))
    assert picture.attrib["aria-label"] == '<"a&b">: BELOW'
    assert picture.attrib["role"] == "img"
    widths = [int(part.attrib["width"]) for part in picture.iter(f"{SVG}rect")]
    assert int(picture.attrib["width"]) == widths[0] == (46 + 12) + (33 + 12)


def test_the_card_has_a_row_a_claim_and_pictures_that_lie_beside_it(audit: Audit) -> None:
    files = handouts(found(audit, "BELOW"))
    card = files["card.md"].decode()
    rows = [line for line in card.splitlines() if "![BELOW]" in line]
    assert len(rows) == 6
    assert "| 94.14 % | 94.05 % [93.50, 94.60] | 2 x 10,000 | ![BELOW](badges/cifar10-accuracy.svg) |" in rows[0]
    assert {row.split("](")[1].removesuffix(") |") for row in rows} <= files.keys()
    assert "of the paper’s 6 accuracies: 6 below what is printed." in card


def test_the_answer_counts_verdicts(audit: Audit) -> None:
    assert answer(audit) == "none of the paper’s 6 accuracies has been run here"
    (first, *others) = [claim.id for claim in audit.claims if claim.id.startswith("cifar")]
    assert others
    judged = [replace(one, verdict="REPRODUCED") if one.claim == first else one for one in audit.judgements]
    assert answer(replace(audit, judgements=judged)) == "of the paper’s 6 accuracies: 1 reproduced, 5 not run"


def test_the_answer_begins_with_what_holds_of_the_code(audit: Audit) -> None:
    code = [claim.id for claim in audit.claims if claim.origin == "code"]
    judged = [replace(one, verdict="REPRODUCED") if one.claim in code[1:] else one for one in audit.judgements]
    said = answer(replace(audit, judgements=judged))
    assert said.startswith(
        f"{len(code) - 1} of {len(code)} comparisons with the authors’ code hold; none of the paper’s"
    )


def test_results_are_one_tidy_table(audit: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(handouts(audit)["results.csv"].decode())))
    accuracies = {row["experiment"]: row for row in rows if row["metric"] == "test_accuracy"}
    assert [accuracies[name]["computed"] for name in ("tiny", "other")] == ["this run", "recorded, not checked"]
    assert {key: accuracies["tiny"][key] for key in ("value", "unit", "n", "seed", "source")} == {
        "value": "90.0",
        "unit": "percent",
        "n": "1000",
        "seed": "0",
        "source": "results/tiny/0.json",
    }
    assert round(float(accuracies["tiny"]["low"]), 2) == 87.98
    keys = [(row["experiment"], row["seed"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys)), "one row a run and metric"


def test_a_model_card_has_the_metadata_of_the_hub_and_the_numbers(audit: Audit) -> None:
    files = handouts(audit)
    assert [name for name in files if name.startswith("models/")] == ["models/tiny-0.md"]
    _, metadata, card = files["models/tiny-0.md"].decode().split("---\n", 2)
    (model,) = YAML(typ="safe").load(metadata)["model-index"]
    assert model["results"][0]["metrics"][0]["value"] == 90.0
    assert "| test accuracy | 90.00 % | [87.98, 91.71] | 900 of 1,000 test samples, 1 seed |" in card
    assert RECORD.digests["model"] in card
    for part in ("Intended use and limits", "Data", "Network and training", "Results", "How to load it", "Citation"):
        assert f"\n## {part}\n" in card


def test_the_citation_has_what_its_format_requires_and_our_version() -> None:
    """The whole schema: uvx cffconvert --validate."""
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == project["version"]
    assert citation["references"][0]["doi"] == "10.1088/2634-4386/ac8bef"


def test_spikes_are_a_mean_over_neurons_not_layers() -> None:
    firing = {"wide": {"neurons": 9, "rate": [0.1, 0.1]}, "narrow": {"neurons": 1, "rate": [1.0, 0.0]}}
    assert spikes_a_neuron(record(firing=firing)) == pytest.approx((9 * 0.2 + 1) / 20)
