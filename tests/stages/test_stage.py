"""What every stage has around it: one clear line, an exit code, a record."""

import json
from pathlib import Path

import pytest

from pipeline import stage
from pipeline.errors import InputError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "RUNS", tmp_path)


def refuse() -> None:
    raise InputError("params.yaml: datasets.digits is missing")


def interrupt() -> None:
    raise KeyboardInterrupt


def fill_the_disk() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as file:  # a device on which every write finds no space
        file.write("x")


FAILURES = [
    (refuse, 1, "error: train@x: params.yaml: datasets.digits is missing\n"),
    (interrupt, 130, "error: train@x: interrupted; run it again to continue\n"),
    (fill_the_disk, 1, "error: train@x: the disk: no space left on device; mend that and run it again\n"),
]


@pytest.mark.parametrize(("main", "code", "line"), FAILURES, ids=["input", "Ctrl-C", "full disk"])
def test_a_failure_is_one_line_and_no_record(
    main: object, code: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit) as stop:
        stage.run("train@x", main)
    assert stop.value.code == code
    assert capsys.readouterr().err == line
    assert not (tmp_path / "records").exists()


def test_our_own_mistakes_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        stage.run("train@x", lambda: {"note": 1 // 0})


def test_a_finished_stage_is_recorded(tmp_path: Path) -> None:
    stage.run("train@x", lambda: {"note": "trained"})
    record = json.loads((tmp_path / "records" / "train@x.json").read_text(encoding="utf-8"))
    assert record["stage"] == "train@x"
    assert record["peak_memory_bytes"] > 1e6
    assert record["seconds"] >= 0
    assert record["note"] == "trained"
