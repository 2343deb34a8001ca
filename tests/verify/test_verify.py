"""Each injected fault in a report's folder is found and named; a clean report verifies."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.cli.command_line import main
from pipeline.data.contents import read_contents, write_contents
from pipeline.evaluate.predictions import read_predictions
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT
from pipeline.ground.yaml_file import read_yaml
from pipeline.train.used import epoch_digest
from pipeline.verify.verify import verify
from tests.verify.edits import PREDICTIONS, edit, edit_prediction, first
from tests.verify.made_report import rewrite

CONFIG = "evidence/artifacts/digits/0/config.json"
HISTORY = "evidence/artifacts/digits/0/history.csv"
RESULT = "evidence/results/digits/0.json"
AUDIT = "audit.json"
CLAIMS = "evidence/paper/claims.yaml"
PARAMS = "evidence/params.yaml"
TRAIN = "evidence/records/train@digits-0.json"


def test_a_clean_report_holds_wherever_it_lies(root: Path, report: Path) -> None:
    for folder in (root / "report", report):
        verified = verify(folder)
        assert verified.breaks == []
        assert any("derived again from 9 predictions" in line for line in verified.looked)
        assert any("not signed" in note for note in verified.notes)
    assert verify(report, root=root).breaks == []


def test_it_needs_neither_torch_nor_ray(report: Path) -> None:
    code = (
        "import sys; from pipeline.cli.command_line import main; main(sys.argv[1:]);"
        "sys.exit(sorted({'torch', 'ray', 'tonic', 'numba', 'dvc', 'securesystemslib'} & sys.modules.keys()) or 0)"
    )
    command = [sys.executable, "-c", code, "verify", str(report)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert "everything holds" in said.stdout


def edit_result(report: Path) -> None:
    edit(report / RESULT, '"correct": 8', '"correct": 9')


def edit_page(report: Path) -> None:
    edit(report / "index.html", ">88.89 %<", ">98.89 %<")


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


def test_samples_in_the_training(report: Path) -> None:
    arrow = report / "evidence" / "data" / "arrow" / "digits"
    contents = read_contents(arrow)
    contents["train"][0] = contents["train"][0]._replace(content=contents["test"][0].content)
    write_contents(contents, arrow)
    rewrite(report)
    assert "evidence/splits.json" in {found.file for found in verify(report).breaks}


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


def test_a_statement_about_other_bytes_is_named(report: Path) -> None:
    path = report / "evidence" / "statements" / "train@digits-0.json"
    content = json.loads(path.read_text())
    content["subject"][0]["digest"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content, indent=2) + "\n")
    breaks = verify(report).breaks
    assert breaks[0].link == "files"
    statement = next(found for found in breaks if found.link == "page")
    assert statement.file == "evidence/statements/train@digits-0.json"
    assert '"sha256": ' in statement.expected


def test_weights_in_a_checkout_are_hashed_when_asked(root: Path, report: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(root / "data", checkout / "data")
    shutil.copytree(root / "artifacts", checkout / "artifacts")
    shutil.copytree(root / "results", checkout / "results")
    assert verify(report, root=checkout).breaks == []
    (checkout / "artifacts" / "digits" / "0" / "model.safetensors").write_bytes(b"others")
    found = first(report, root=checkout)
    assert (found.link, Path(found.file).name) == ("data and weights", "model.safetensors")


def test_the_report_of_a_checkout_is_about_what_lies_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(paths, "REPORT", root / "report")
    monkeypatch.setattr(paths, "PARAMS", root / "params.yaml")
    assert verify(root / "report").breaks == []
    changes: dict[str, Callable[[Path], None]] = {
        "artifacts/digits/0/history.csv": lambda path: path.write_text(path.read_text() + "\n") and None,
        "results/digits/7.json": lambda path: path.write_text("{}") and None,
        "params.yaml": lambda path: edit(path, "profile: made", "profile: other"),
    }
    for name, change in changes.items():
        path = root / name
        before = path.read_bytes() if path.exists() else None
        change(path)
        found = first(root / "report")
        path.unlink()
        if before is not None:
            path.write_bytes(before)
        assert (found.link, found.file) == ("checkout", "report"), name
        assert found.expected.startswith(name)
        assert "`dvc repro report` updates the report" in found.expected


def test_a_report_of_another_commit_says_so(report: Path) -> None:
    path = report / "evidence" / "records" / "report.json"
    content = json.loads(path.read_text())
    content["code"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(content, indent=2) + "\n")
    rewrite(report)
    assert verify(report).breaks == []
    edit_page(report)
    rewrite(report)
    found = first(report)
    assert (found.link, found.file) == ("page", "evidence/records/report.json")
    assert found.found == content["code"][0]["path"]
    assert "a report of another commit is verified by that commit" in found.expected


@pytest.mark.parametrize("name", [RESULT, "index.html", "badges", "evidence/data"])
def test_links_are_refused(report: Path, tmp_path: Path, name: str) -> None:
    (report / name).rename(tmp_path / "outside")
    (report / name).symlink_to(tmp_path / "outside")
    found = first(report)
    assert (found.link, found.file, found.found) == ("files", name, "a link")


def test_a_pipe_is_refused_and_not_read(report: Path) -> None:
    (report / "index.html").unlink()
    os.mkfifo(report / "index.html")
    assert first(report).found == "neither a file nor a folder"


def test_damaged_files_are_named_without_a_traceback(report: Path) -> None:
    (report / RESULT).write_text("{}")
    (report / PREDICTIONS).write_bytes(b"PAR1")
    breaks = verify(report).breaks
    assert {found.file for found in breaks[:2]} == {RESULT, PREDICTIONS}
    assert any("not a record of an evaluation" in found.found for found in breaks)
    for content in ("{", "[" * 100_000, '{"seed": 0, "seed": 1}'):
        (report / RESULT).write_text(content)
        assert any("not valid JSON" in found.found for found in verify(report).breaks)


def test_shapes_and_channels_that_disagree_are_said_with_their_file(report: Path) -> None:
    manifest = report / "evidence/data/arrow/digits/train.json"
    whole = manifest.read_text()
    for shape, file, text in (
        ("[1, 2, 2, 2]", "evidence/data/arrow/digits/train.json", "is not that of images"),
        ("[3, 2, 2]", RESULT, "both need one per channel"),
    ):
        manifest.write_text(json.dumps(json.loads(whole) | {"sample_shape": json.loads(shape)}))
        result = json.loads((report / RESULT).read_text())
        result["training"] |= {"pixel_mean": [0.5], "pixel_std": [0.5]}
        (report / RESULT).write_text(json.dumps(result))
        found = {one.file: one.found for one in verify(report).breaks if text in one.found}
        assert [*found] == [file]


def test_what_is_no_report_and_no_key_is_said(report: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")  # as in a checkout: not the first thing to say
    with pytest.raises(InputError, match=r"no ro-crate-metadata\.json in it; expected a report folder"):
        verify(tmp_path)
    with pytest.raises(InputError, match="no: No such file"):
        verify(report, tmp_path / "no")
    (tmp_path / "rsa").write_text("-----BEGIN PUBLIC KEY-----\n")
    with pytest.raises(InputError, match="expected an ed25519 public key"):
        verify(report, tmp_path / "rsa")


def test_the_command_says_it_in_words_and_an_exit_code(
    report: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["sign", str(report), "--key", str(key)])
    main(["verify", str(report), "--key", str(key.with_suffix(".pub"))])
    assert "everything holds" in capsys.readouterr().out
    edit_page(report)
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(report)])
    assert str(stop.value.code).startswith("error: broken: files: index.html: expected SHA-256 ")
    with pytest.raises(SystemExit) as stop:
        main(["sign", str(report), "--key", str(key)])
    assert "nothing was signed: files: index.html" in str(stop.value.code)
