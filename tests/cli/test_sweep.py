"""Sweeps over a pipeline of small scripts, on real DVC: failures, other runs that continue, and the final dvc.lock."""

import io
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from benchmarks.sweep import ENVIRONMENT
from pipeline.cli import screen, sweep
from pipeline.cli.command_line import main
from pipeline.cli.use import use_profile
from pipeline.ground.errors import InputError
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.params import load_params

STEP = """
import pathlib, sys, time
stage, key = sys.argv[1:]
print(stage, key)
if pathlib.Path(f"slow-{stage}-{key}").exists():
    time.sleep(600)
if pathlib.Path(f"broken-{stage}-{key}").exists():
    sys.exit(f"error: {stage}@{key}: broken on purpose")
pathlib.Path(f"{stage}-{key}").write_text(stage + key)
"""
PIPELINE = """
stages:
  preprocess:
    foreach: ${datasets}
    do: {cmd: "python step.py preprocess ${key}", deps: [step.py], outs: ["preprocess-${key}"]}
  train:
    foreach: ${runs}
    do: {cmd: "python step.py train ${key}", deps: [step.py, "preprocess-${item.dataset}"], outs: ["train-${key}"]}
  evaluate:
    foreach: ${runs}
    do: {cmd: "python step.py evaluate ${key}", deps: [step.py, "train-${key}"], outs: ["evaluate-${key}"]}
  report:
    cmd: python step.py report all
    deps: [step.py, evaluate-digits-0, evaluate-digits-dvs-0]
    outs: [report-all]
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs; both have room at once, without Ray."""
    folder = tmp_path / "swept"
    folder.mkdir()
    (folder / "step.py").write_text(STEP, encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    use_profile("quick", None, 1, folder / "params.yaml")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    shutil.copytree(folder, tmp_path / "serial")
    monkeypatch.setattr(sweep, "ROOT", folder)
    monkeypatch.setattr(sweep, "LOGS", folder / "logs")
    monkeypatch.setattr(sweep, "load_params", lambda: load_params(folder / "params.yaml"))
    monkeypatch.setattr(sweep, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(sweep, "do", lambda runs, params: sweep.side_by_side(runs, lambda left: 2, ENVIRONMENT))
    return folder


def test_a_failed_run_is_named_the_others_are_done_and_the_end_is_that_of_serial_stages(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is room for one: the other waits."""
    monkeypatch.setattr(sweep, "do", lambda runs, params: sweep.side_by_side(runs, lambda left: 1, ENVIRONMENT))
    broken = repository / "broken-train-digits-0"
    broken.touch()
    with pytest.raises(InputError) as stopped:
        sweep.sweep()
    assert str(stopped.value).splitlines() == [
        "1 of 2 run(s) failed; the others are done",
        f"  digits-0: train@digits-0: broken on purpose (all of it: {repository / 'logs' / 'digits-0.log'})",
    ]
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("digits-0  failed")]
    assert [line.endswith("train@digits-0: broken on purpose") for line in shown] == [True]
    assert (repository / "evaluate-digits-dvs-0").exists()
    assert not (repository / "report-all").exists()

    broken.unlink()
    sweep.sweep()
    assert "1 of 2 run(s) to do" in capsys.readouterr().out
    serial = subprocess.run([*sweep.DVC, "repro"], cwd=repository.parent / "serial", env=ENVIRONMENT, check=False)
    assert serial.returncode == 0
    locks = [read_yaml(repository.parent / way / "dvc.lock") for way in ("serial", "swept")]
    assert locks[0] == locks[1]


def test_runs_are_side_by_side_and_an_interruption_leaves_no_process_behind(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "slow-train-digits-0").touch()

    def interrupt() -> None:
        for _ in range(600):
            if (repository / "evaluate-digits-dvs-0").exists():
                break
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SystemExit) as stop:
        main(["sweep"])
    thread.join()
    assert stop.value.code == 130
    assert (repository / "evaluate-digits-dvs-0").exists(), "the runs were not side by side"
    assert not (repository / "train-digits-0").exists()
    assert capsys.readouterr().err == "error: interrupted; run it again\n"
    assert [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(repository)] == []


def rows(*states: screen.RunState) -> list[screen.ScreenRow]:
    return [
        screen.ScreenRow(name=f"run-{index}", state=state, seconds=65.4, last=f"epoch {index} [/5]")
        for index, state in enumerate(states)
    ]


def test_a_terminal_shows_what_fits_and_counts_all() -> None:
    console = Console(width=60, height=9, record=True, file=io.StringIO())
    console.print(screen.runs_table(rows("waiting", "done", "failed", "running"), console.height))
    shown = [" ".join(line.split()) for line in console.export_text().splitlines() if line.strip(" ─")]
    assert shown == [
        "run state time last line of its log",
        "run-3 running 0:01:05 epoch 3 [/5]",
        "run-2 failed 0:01:05 epoch 2 [/5]",
        "1 running, 1 failed, 1 waiting, 1 done",
    ]


def test_a_terminal_without_unicode_shows_the_table() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(width=30, height=9, force_terminal=True, file=file)
    console.print(screen.runs_table(rows("running"), console.height))


def test_a_log_gets_a_line_when_something_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 9.0, 12.0, 13.0])
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(clock))
    lines = screen.Lines()
    for state in ("waiting", "running", "running", "running", "done"):
        lines(rows(state))
    assert capsys.readouterr().out.splitlines() == [
        "run-0  running  0:01:05  epoch 0 [/5]",
        "run-0  running  0:01:05  epoch 0 [/5]",
        "run-0  done  0:01:05  epoch 0 [/5]",
    ]


@pytest.mark.parametrize(
    ("places", "runs", "shards", "workers"),
    [(2, 4, 2, 1), (8, 4, 2, 2), (8, 2, 2, 2), (8, 3, 4, 2), (1, 1, 2, 1)],
)
def test_runs_share_the_places(places: int, runs: int, shards: int, workers: int) -> None:
    assert sweep.share(places, runs, shards) == workers
