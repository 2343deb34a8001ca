"""A clean report verifies; what is no report, damaged or of another commit is said in words."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.command_line import main
from pipeline.data.contents import read_contents, write_contents
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT
from pipeline.verify.origin_checks import measurements
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.verify import verify
from tests.verify.edits import PREDICTIONS, edit, edit_page, first
from tests.verify.made_report import rewrite

RESULT = "evidence/results/digits/0.json"
PARAMS = "evidence/params.yaml"


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


def test_samples_in_the_training(report: Path) -> None:
    arrow = report / "evidence" / "data" / "arrow" / "digits"
    contents = read_contents(arrow)
    contents["train"][0] = contents["train"][0]._replace(content=contents["test"][0].content)
    write_contents(contents, arrow)
    rewrite(report)
    assert "evidence/splits.json" in {found.file for found in verify(report).breaks}


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


def test_measurements_of_other_claims_are_named(report: Path) -> None:
    """The stage agreement counted networks of the claims that it read; the report is about claims changed since."""
    assert list(measurements(ReportFolder(report, None, None))) == []
    edit(report / "evidence" / "paper" / "claims.yaml", "margin: 1.0", "margin: 9.0")
    (found,) = measurements(ReportFolder(report, None, None))
    assert (found.link, found.file) == ("measurements", "paper/claims.yaml")
