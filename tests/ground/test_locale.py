"""Commands and stages work in a locale that is not UTF-8 and in a folder whose name is not ASCII."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.ground.paths import ROOT
from pipeline.ground.utf8 import use_utf8
from tests.verify import made_report

WITHOUT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A report on samples and classes whose names are not ASCII."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_report, "CLASSES", ["übung", "日本", "c"])
        patch.setattr(made_report, "name", lambda split, index: f"{split}/übung {index}")
        yield made_report.make_root(tmp_path_factory.mktemp("größe"), patch)


def said(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, *arguments], env=os.environ | WITHOUT_UTF8 | environment, capture_output=True, check=False
    )


def test_python_has_another_encoding_there() -> None:
    code = "import sys; print(sys.getfilesystemencoding())"
    assert said("-c", code).stdout == b"ascii\n"


def test_a_sound_report_holds(report: Path) -> None:
    done = said("-m", "pipeline.cli.command_line", "verify", str(report))
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"{report}: everything holds" in done.stdout.decode()


def test_a_broken_report_is_named(report: Path, tmp_path: Path) -> None:
    done = said("-m", "pipeline.cli.command_line", "verify", str(tmp_path / "größe"))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"error: {tmp_path}/größe: no such folder")


SCRIPT = """
from pathlib import Path

from pipeline.ground import stage
from pipeline.data.store import Row, write_shard
import numpy as np

here = Path(__file__).parent
stage.ROOT, stage.RUNS = here, here / "runs"
(here / "dvc.yaml").write_text("stages: {train: {deps: [ü.arrow], outs: [records/train@x.json]}}", encoding="utf-8")
(here / "params.yaml").write_text("runs: {}", encoding="utf-8")


def main():
    row = Row(id="übung", label=0, pixels=np.zeros((1, 2, 2), np.uint8), source_sha256="00")
    write_shard([row], here / "ü.arrow", "images", "none", {})
    print("übung \u65e5")


stage.run_stage("train@x", main)
"""


def test_stages_run_there(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = said(str(folder / "script.py"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "übung 日\n"
    assert (folder / "ü.arrow").exists()
    assert (folder / "records" / "train@x.json").exists()


def test_what_a_terminal_cannot_write_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", terminal)
    use_utf8()
    print("größe 日 l\udce1piz", flush=True)
    assert terminal.buffer.getvalue() == b"gr\xf6\xdfe \\u65e5 l\\udce1piz\n"  # type: ignore[attr-defined]
