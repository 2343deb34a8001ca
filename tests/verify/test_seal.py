"""A sealed run from the command to the page: page and `sresnet verify` report the seal, from the evidence."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import seal
from pipeline.cli.seal import seal_runs
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.judge.seal import NOT_SEALED, SEAL
from pipeline.report.write import write_report
from pipeline.verify.verify import verify
from tests.verify.made_report import audit_of, make_root, rewrite

WEIGHTS = Path("artifacts") / "digits" / "0" / "model.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository after its runs, with a seal that was written before its training."""
    root = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        make_root(root, patch)
        patch.setattr(seal, "reproduce", lambda *_: None)
        aside = (root / WEIGHTS).rename(root / "aside")
        seal_runs(root)
        aside.rename(root / WEIGHTS)
        yield root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(seal, "reproduce", lambda *_: None)
    return shutil.copytree(made, tmp_path / "root", symlinks=True)


def report_of(root: Path) -> Path:
    folder = root / "anew"
    folder.mkdir()
    assert write_report(audit_of(root), root, folder) == []
    return folder


def change(path: Path, key: str, value: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {key: value}), encoding="utf-8")


def test_a_sealed_report_says_so(root: Path) -> None:
    report = report_of(root)
    said = f"ealed, SHA-256 {sha256(root / SEAL)}: the runs of this report are those that were sealed"
    for name in ("index.html", "report.md"):
        assert f"S{said}" in (report / name).read_text(encoding="utf-8")
    verified = verify(report)
    assert verified.breaks == []
    assert any(note.startswith(f"s{said}") for note in verified.notes)


def test_a_report_without_a_seal_says_so(root: Path) -> None:
    (root / SEAL).unlink()
    report = report_of(root)
    for name in ("index.html", "report.md"):
        assert NOT_SEALED[1:] in (report / name).read_text(encoding="utf-8")
    assert NOT_SEALED in verify(report).notes


def test_a_report_that_is_not_what_was_sealed_says_where(root: Path) -> None:
    """Nothing is broken: a run that was not sealed is a run. What the seal says is no markup."""
    change(root / SEAL, "runs", ["digits-0", "<b>digits</b>-2"])
    report = report_of(root)
    assert '<li class="wrong">&lt;b&gt;digits&lt;/b&gt;-2 was sealed and' in (report / "index.html").read_text()
    assert "- \\<b\\>digits\\</b\\>-2 was sealed and is not in this report" in (report / "report.md").read_text()
    verified = verify(report)
    assert verified.breaks == []
    assert "<b>digits</b>-2 was sealed and is not in this report" in verified.notes


def test_a_seal_that_is_changed_or_dropped_or_damaged_in_the_report_is_found(root: Path) -> None:
    report = report_of(root)
    path = report / "evidence" / SEAL
    original = path.read_bytes()
    change(path, "runs", ["digits-0", "digits-2"])
    assert {found.file for found in verify(report).breaks} >= {"evidence/results/seal.json", "index.html", "report.md"}
    path.write_bytes(b"{")
    rewrite(report)
    assert any(
        found.file == "evidence/results/seal.json" and "not valid JSON" in found.found
        for found in verify(report).breaks
    )
    path.unlink()
    rewrite(report)
    assert "index.html" in {found.file for found in verify(report).breaks}
    path.write_bytes(original)
    rewrite(report)
    assert verify(report).breaks == []


def test_the_command_seals_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / WEIGHTS).unlink()
    before = (root / SEAL).read_bytes()
    seal_runs(root)
    said = capsys.readouterr().out
    assert "1 run(s) of profile made are sealed" in said
    assert f"SHA-256 {sha256(root / SEAL)}" in said
    assert "before the first training" in said
    assert (root / SEAL).read_bytes() == before


def test_the_command_replaces_no_other_seal(root: Path) -> None:
    (root / WEIGHTS).unlink()
    change(root / SEAL, "code", "other")
    before = (root / SEAL).read_bytes()
    with pytest.raises(InputError, match=r"seal\.json: seals something else .* remove the file by hand"):
        seal_runs(root)
    assert (root / SEAL).read_bytes() == before


def test_the_command_seals_nothing_that_was_trained(root: Path) -> None:
    (root / SEAL).unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: digits-0 was trained already"):
        seal_runs(root)
    assert not (root / SEAL).exists()


def test_data_are_preprocessed_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / WEIGHTS).unlink()
    asked: list[str] = []
    monkeypatch.setattr(seal, "reproduce", lambda *targets: asked.extend(targets))
    seal_runs(root)
    assert asked == ["preprocess@digits"]
