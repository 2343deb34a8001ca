"""Each injected fault in a report's folder is found and named, also if every digest is mended."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.evaluate.predictions import read_predictions
from pipeline.ground.yaml_file import read_yaml
from pipeline.train.used import epoch_digest
from tests.verify.edits import PREDICTIONS, edit, edit_page, edit_prediction, first
from tests.verify.made_report import rewrite

CONFIG = "evidence/artifacts/digits/0/config.json"
HISTORY = "evidence/artifacts/digits/0/history.csv"
RESULT = "evidence/results/digits/0.json"
AUDIT = "audit.json"
CLAIMS = "evidence/paper/claims.yaml"
PARAMS = "evidence/params.yaml"
TRAIN = "evidence/records/train@digits-0.json"


def edit_result(report: Path) -> None:
    edit(report / RESULT, '"correct": 8', '"correct": 9')


NAIVE: list[tuple[Callable[[Path], None], str]] = [
    (edit_prediction, PREDICTIONS),
    (edit_result, RESULT),
    (edit_page, "index.html"),
    (lambda report: shutil.copy(report / "report.md", report / AUDIT) and None, AUDIT),
    (lambda report: (report / TRAIN).unlink(), TRAIN),
    (lambda report: (report / "evidence" / "more.csv").touch(), "evidence/more.csv"),
]


@pytest.mark.parametrize(
    ("plant", "file"), NAIVE, ids=["prediction", "result", "page", "swapped file", "removed record", "added file"]
)
def test_a_changed_file_is_named(report: Path, plant: Callable[[Path], None], file: str) -> None:
    plant(report)
    found = first(report)
    assert (found.link, found.file) == ("files", file)


def edit_verdict(report: Path) -> None:
    content = json.loads((report / AUDIT).read_text())
    claim = next(claim for claim in content["claims"] if claim["id"] == "cifar10-accuracy")
    claim["verdict"] = "REPRODUCED"
    (report / AUDIT).write_text(json.dumps(content, indent=2) + "\n")


def edit_badge(report: Path) -> None:
    edit(report / "badges" / "cifar10-accuracy.svg", "NOT RUN", "REPRODUCED")


def edit_model_card(report: Path) -> None:
    edit(report / "models" / "digits-0.md", "88.89 %", "98.89 %")


def edit_markdown(report: Path) -> None:
    edit(report / "report.md", "| NOT RUN |", "| REPRODUCED |")


def on_the_page(old: str, new: str) -> Callable[[Path], None]:
    return lambda report: edit(report / "index.html", old, new)


def hide_in_markdown(report: Path) -> None:
    """The honest row stays, in a comment, and another one is shown."""
    row = next(line for line in (report / "report.md").read_text().splitlines() if line.startswith("| NOT RUN |"))
    edit(report / "report.md", row, f"<!-- {row} -->\n{row.replace('NOT RUN', 'REPRODUCED')}")


def no_deviations(report: Path) -> None:
    """None of them in the claims either."""
    content = read_yaml(report / CLAIMS)
    YAML(typ="safe").dump(content | {"deviations": []}, report / CLAIMS)


def swap_classes(report: Path) -> None:
    made = read_predictions(report / PREDICTIONS)
    replace(made, about=replace(made.about, classes=["b", "a", "c"])).write(report / PREDICTIONS)


def empty_deviations(report: Path) -> None:
    edit(report / "audit.json", '"deviations": [', '"deviations": [], "others": [')


def edit_labels(report: Path) -> None:
    """The label of the one wrong sample becomes what was predicted."""
    made = read_predictions(report / PREDICTIONS)
    replace(made, labels=np.array([*made.labels[:8], 0])).write(report / PREDICTIONS)


def edit_samples(report: Path) -> None:
    """The digest of samples of an epoch that left a sample out."""
    text = (report / HISTORY).read_text(encoding="utf-8")
    ids = [f"train/{index}" for index in range(9)]
    (report / HISTORY).write_text(text.rsplit(",", 1)[0] + f",{epoch_digest(ids, [np.arange(8)])}\n")


def leave_out_a_sample(report: Path) -> None:
    made = read_predictions(report / PREDICTIONS)
    replace(made, ids=made.ids[:8], labels=made.labels[:8], voltage=made.voltage[:8]).write(report / PREDICTIONS)


def train_on_other_data(report: Path) -> None:
    content = json.loads((report / TRAIN).read_text())
    shard = next(file for file in content["reads"] if file["path"].endswith("train-00000-of-00001.arrow"))
    shard["sha256"] = "0" * 64
    (report / TRAIN).write_text(json.dumps(content, indent=2))


CAREFUL: list[tuple[str, Callable[[Path], None], str, str, str]] = [
    ("prediction", edit_prediction, "predictions", RESULT, "test/correct 9, derived from " + PREDICTIONS),
    ("result", edit_result, "predictions", RESULT, "test/correct 8, derived from " + PREDICTIONS),
    ("verdict", edit_verdict, "page", AUDIT, '"verdict": "NOT RUN"'),
    ("deviations", empty_deviations, "page", AUDIT, "as the evidence gives it"),
    ("page", edit_page, "page", "index.html", ">88.89 %<"),
    ("script", on_the_page("</body>", "<script>verdicts.forEach(green)</script></body>"), "page", "index.html", "line"),
    ("style", on_the_page("</style>", "tr { display: none }</style>"), "page", "index.html", "line"),
    ("template", on_the_page("<main>", "<main><p>REPRODUCED</p><template>"), "page", "index.html", "line"),
    ("chart", on_the_page('"verdict":"', '"verdict":"REPRODUCED, '), "page", "index.html", "line"),
    ("badge", edit_badge, "page", "badges/cifar10-accuracy.svg", "NOT RUN"),
    ("model card", edit_model_card, "page", "models/digits-0.md", "88.89 %"),
    ("markdown", edit_markdown, "page", "report.md", "| NOT RUN |"),
    ("comment in markdown", hide_in_markdown, "page", "report.md", "| NOT RUN |"),
    ("table", lambda report: edit(report / "results.csv", ",88.8", ",98.8"), "page", "results.csv", "test_accuracy"),
    (
        "added badge",
        lambda report: shutil.copy(report / "badge.svg", report / "badges" / "other.svg") and None,
        "page",
        "badges/other.svg",
        "follow from",
    ),
    (
        "added protocol",
        lambda report: edit(report / RESULT, '"protocols": {', '"protocols": {"best": 99.9, '),
        "chain",
        RESULT,
        "a file as a stage writes it",
    ),
    (
        "margin made wider",
        lambda report: edit(report / CLAIMS, "margin: 1.0", "margin: 9.0"),
        "claims",
        CLAIMS,
        "margin 1.0 as in",
    ),
    ("no deviations", no_deviations, "claims", CLAIMS, "deviations"),
    (
        "unknown parameter",
        lambda report: edit(report / PARAMS, "profile: made", "profile: made\nbest: 99.9"),
        "chain",
        PARAMS,
        "a file as a stage writes it",
    ),
    ("class names", swap_classes, "split", PREDICTIONS, "classes/0 a"),
    ("labels", edit_labels, "split", PREDICTIONS, "labels/8 2"),
    ("sample left out", leave_out_a_sample, "split", PREDICTIONS, "ids of the test split 9 items"),
    ("samples of an epoch", edit_samples, "split", HISTORY, "each training sample once in the sampler's order"),
    (
        "another dataset",
        lambda report: edit(report / RESULT, '"title": "Digits"', '"title": "CIFAR-10"'),
        "split",
        RESULT,
        "dataset/title Digits",
    ),
    (
        "configuration",
        lambda report: edit(report / CONFIG, '"epochs": 6', '"epochs": 7'),
        "configuration",
        RESULT,
        "training/epochs 7",
    ),
    (
        "scale of the inputs",
        lambda report: edit(report / CONFIG, '"scale": 1.0', '"scale": 0.5'),
        "split",
        CONFIG,
        "inputs/scale 1.0",
    ),
    ("other data", train_on_other_data, "train@digits-0", "data/arrow/digits/", "as preprocess@digits wrote it"),
    (
        "removed record",
        lambda report: (report / TRAIN).unlink(),
        "train@digits-0",
        "records/train@digits-0.json",
        "a record of what the stage read and wrote",
    ),
]


@pytest.mark.parametrize(
    ("plant", "link", "file", "expected"), [fault[1:] for fault in CAREFUL], ids=[fault[0] for fault in CAREFUL]
)
def test_a_forger_who_mends_every_digest_is_found_by_what_follows_from_the_predictions(
    report: Path, plant: Callable[[Path], None], link: str, file: str, expected: str
) -> None:
    plant(report)
    rewrite(report)
    found = first(report)
    assert found.link == link, found
    assert found.file.startswith(file), found
    assert expected in found.expected, found
