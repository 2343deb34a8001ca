"""What `sresnet` without a command prints about a checkout."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import status
from pipeline.cli.command_line import main
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import is_running, stage_lock
from pipeline.ground.stage_record import path_of
from pipeline.protocol.params import load_params
from pipeline.train import jobs
from pipeline.train.jobs import train_on
from tests.train.tiny import ONE, TRAINING, tiny_job

RETRAINS = [{"changed deps": {"params.yaml": {"experiments.digits": "modified"}, "models": "modified"}}]
DELETED = [{"changed outs": {"report": "deleted"}}]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty checkout with profile quick."""
    shutil.copy(paths.PROFILES / "quick.yaml", tmp_path / "params.yaml")
    monkeypatch.setattr(paths, "PARAMS", tmp_path / "params.yaml")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(status, "runs_folder", lambda cluster: tmp_path / "runs")
    monkeypatch.setattr(status, "show_results", lambda: print("digits-0 92 %"))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    main([])
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines())
    return text


def stages(changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "changed_stages", lambda root: changed)


def test_without_params_it_says_what_writes_them(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "params.yaml").unlink()
    assert "sresnet use quick" in said(capsys)


def test_a_fresh_checkout_is_told_how_to_begin(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without DVC, which takes a second."""
    text = said(capsys)
    assert text.startswith("profile quick, 2 training(s): never run here\n")
    assert "make repro" in text


def test_the_first_stages_of_a_fresh_checkout_are_named_while_they_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "is_running", lambda stage: stage == "download@digits")
    assert "running here now" in said(capsys)


@pytest.fixture
def began(root: Path) -> Path:
    (root / "runs" / "digits-0-0123456789abcdef" / "checkpoints").mkdir(parents=True)
    return root


def test_what_is_out_of_date_has_its_reason(
    began: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {f"train@digits-{seed}": RETRAINS for seed in range(4)} | {"report": DELETED}
    (began / "records").mkdir()
    for stage in changed:
        (began / path_of(stage)).touch()
    (began / path_of("report")).unlink()  # the report holds its own record
    (began / "report").mkdir()
    (began / "report" / "audit.json").touch()
    stages(changed | {"train@new-0": RETRAINS}, monkeypatch)
    lines = said(capsys).splitlines()
    assert lines[0].startswith("profile quick, 2 training(s): out of date (dvc status, ")
    assert lines[2].split(maxsplit=1) == ["train", "digits-0 and 3 more       experiments.digits: modified"]
    assert lines[3].split() == ["report", "report:", "deleted"]
    assert lines[4].split() == ["train", "new-0", "no", "output", "here"]
    assert lines[-1].split()[:2] == ["make", "repro"]


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ((1, 3), "was stopped in epoch 2 of 6: no result, resumes there"),
        ((1, 0), "was stopped after epoch 1 of 6: no result, resumes there"),
        ((6, 0), "trained to the end"),
    ],
)
def test_a_stopped_training_is_named(
    done: tuple[int, int], words: str, began: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages({"train@digits-0": RETRAINS, "train@digits-dvs-0": RETRAINS}, monkeypatch)
    monkeypatch.setattr(status, "_done", lambda params, name: done)
    text = said(capsys)
    assert words in text
    assert "digits-dvs-0 was" not in text


def test_a_state_counts_for_the_parameters_that_it_was_made_with_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a training that ran to its end, beside one that differs in its learning rate."""
    mine = tiny_job(root, TRAINING)
    train_on(ONE)(mine)
    params, found = load_params(root / "params.yaml"), {}
    for training in (TRAINING, replace(TRAINING, learning_rate=0.01)):
        job = tiny_job(root, training)
        monkeypatch.setattr(jobs, "job_of", lambda *_, job=job: job)
        found[training.learning_rate] = status._done(params, "digits-0")
    assert found == {TRAINING.learning_rate: (TRAINING.epochs, 0), 0.01: None}


def test_a_dvc_at_work_is_named_and_its_lock_is_left_alone(tmp_path: Path) -> None:
    """Between two stages, DVC holds what the last one made, and advises to remove its lock."""
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages: {one: {cmd: touch out, outs: [out]}}", encoding="utf-8")
    held = {"write": {str(tmp_path / "out"): {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}}
    (tmp_path / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(
        InputError, match=rf"another `dvc` is at work in this checkout, \(PID {os.getpid()}\): dvc repro; ask again"
    ):
        status.changed_stages(tmp_path)


def test_what_runs_now_is_named_without_asking_dvc(
    began: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC would answer that the checkout is busy."""
    monkeypatch.setattr(status, "is_running", lambda stage: stage in ("preprocess@digits", "train@digits-dvs-0"))
    monkeypatch.setattr(status, "changed_stages", lambda root: pytest.fail("DVC was asked"))
    lines = said(capsys).splitlines()
    assert lines[0] == "profile quick, 2 training(s): running here now"
    assert lines[2:4] == ["  preprocess@digits", "  train@digits-dvs-0"]


def test_a_stage_is_running_while_a_process_is_in_it() -> None:
    name = "train@of-test-status"
    assert not is_running(name)
    with stage_lock(name):
        assert is_running(name)
    assert not is_running(name)


def test_what_is_done_shows_its_results(
    began: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages({}, monkeypatch)
    first, _, results, _, then = said(capsys).splitlines()
    assert first.startswith("profile quick, 2 training(s): done (dvc status, ")
    assert results == "digits-0 92 %"
    assert then.startswith("To run something else: edit params.yaml")
