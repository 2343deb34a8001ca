"""The real pipeline in a copy of the repository: Ctrl-C, kill -9, a second run beside the first."""

import os
import shutil
import signal
import sys
import time
import uuid
from pathlib import Path

import pytest

from benchmarks.sweep import copy_repository
from pipeline.ground.lifetime import FOLDER
from pipeline.ground.paths import ROOT
from pipeline.ground.stage_record import Plan
from tests.stages.made import run, start
from tests.stages.processes import MARK, is_private, left, listening, marked

SMALLER = {"width: 8": "width: 2", "time_steps: 4": "time_steps: 2", "epochs: 6": "epochs: 4"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with a smaller training of the digits, downloaded and preprocessed by DVC."""
    folder = tmp_path_factory.mktemp("pipeline")
    text = (ROOT / "profiles" / "quick.yaml").read_text(encoding="utf-8")
    for old, new in SMALLER.items():
        assert old in text
        text = text.replace(old, new, 1)
    copy_repository(folder, text)
    assert run(folder, "dvc", "repro", "preprocess@digits").returncode == 0
    return folder


def said(folder: Path) -> int:
    """Bytes that trainings have written into their logs."""
    return sum(path.stat().st_size for path in folder.glob("runs/digits-0-*/log.txt"))


def wait_for_training(folder: Path, before: int) -> None:
    for _ in range(1200):
        if said(folder) > before:
            return
        time.sleep(0.1)
    pytest.fail("the training never began")


def temporary_folder(mark: str) -> Path:
    """Of the run, as its processes know it."""
    known = {process.environ().get(FOLDER) for process in marked(mark)}
    (folder,) = known - {None}
    return Path(str(folder))


def committed_results(folder: Path) -> list[Path]:
    """All files in results/ that the stage `evaluate` of digits-0 writes."""
    outs = Plan.read("evaluate@digits-0", folder).listed("outs", "metrics", "plots")
    return [folder / out for out in outs if out.startswith("results/")]


def test_interruptions_leave_nothing_half_written_and_the_end_is_the_same(copy: Path) -> None:
    artifacts = copy / "artifacts" / "digits" / "0"

    interrupted = start(copy, sys.executable, "-m", "stages.train", "digits-0")
    wait_for_training(copy, 0)
    interrupted.send_signal(signal.SIGINT)
    output = interrupted.communicate(timeout=120)[0]
    assert interrupted.returncode == 130
    assert output.endswith("error: train@digits-0: interrupted; run it again to continue\n")
    assert not artifacts.exists()

    mark = uuid.uuid4().hex
    before, first = said(copy), start(copy, "dvc", "repro", "train@digits-0", **{MARK: mark})
    try:
        wait_for_training(copy, before)
        assert listening(mark) == 0
        assert is_private(temporary_folder(mark))
        beside = run(copy, "dvc", "repro", "train@digits-0")
        assert beside.returncode != 0
        assert "busy" in beside.stderr or "lock" in beside.stderr
    finally:
        os.kill(first.pid, signal.SIGKILL)  # of DVC alone: it cannot tell the stage
        remaining = left(mark, seconds=20)
        first.communicate(timeout=120)
    assert remaining == []
    assert not list(artifacts.glob("*"))

    assert run(copy, "dvc", "repro", "train@digits-0").returncode == 0
    resumed = (artifacts / "model.safetensors").read_bytes()
    shutil.rmtree(copy / "runs")
    undisturbed = run(copy, sys.executable, "-m", "stages.train", "digits-0")
    assert "digits-0: trained in one process" in undisturbed.stdout
    assert (artifacts / "model.safetensors").read_bytes() == resumed
    results = committed_results(copy)
    for path in results:  # they stay from the run before until the stage replaces them
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stale")
    assert run(copy, sys.executable, "-m", "stages.evaluate", "digits-0").returncode == 0
    assert [path for path in results if path.read_bytes() == b"stale"] == []
    assert "didn't change" in run(copy, "dvc", "repro", "train@digits-0").stdout
    (artifacts / "config.json").write_text("{}", encoding="utf-8")
    assert run(copy, "dvc", "repro", "--single-item", "evaluate@digits-0").returncode != 0
    assert [path for path in results if not path.exists()] == []
