"""A run that is ended from outside leaves no process behind: python -m tests.walk.ends

Sends signals to DVC, its shell and the stage's process, during the start of Ray, training, evaluation and
preprocessing. After each, the same command resumes, and the final weights are those of an uninterrupted run.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.ground.files import sha256
from tests.stages.processes import MARK, left, marked
from tests.walk.small import copy, expect, run, say, surroundings, wipe

SECONDS = 20
"""Within this time everything has ended."""
MODEL = "artifacts/digits/0/model.safetensors"


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
    with tempfile.TemporaryDirectory(prefix="e-") as name:
        folder = Path(name)
        copy(folder, epochs=3, micro_batches=2, cluster={})
        run(folder, "dvc", "repro", "evaluate@digits-0")
        weights = sha256(folder / MODEL)
        for stage, moment, reached in MOMENTS:
            if stage != "train":  # a training that was ended has left no network
                run(folder, "dvc", "repro", "evaluate@digits-0")
            for who in ("dvc", "shell", "stage"):
                for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
                    if stage == "train":
                        wipe(folder, "runs")
                    ended(folder, f"{number.name} to {who}, {moment}", stage, reached, who, number)
        run(folder, "dvc", "repro", "--force", "evaluate@digits-0")
        expect(sha256(folder / MODEL) == weights, "the weights are those of an undisturbed run")


def ended(
    folder: Path, what: str, stage: str, reached: Callable[[Path, str], bool], who: str, number: signal.Signals
) -> None:
    """Starts the stage, sends the signal when the moment is reached, and looks at what is left."""
    mark = uuid.uuid4().hex
    name = f"{stage}@{'digits' if stage == 'preprocess' else 'digits-0'}"
    command = ["dvc", "repro", "--force", "--single-item", name]
    log = folder / "said.txt"
    with log.open("wb") as into:
        dvc = subprocess.Popen(
            command, cwd=folder, env=surroundings(**{MARK: mark}), stdout=into, stderr=into, start_new_session=True
        )
    while not reached(folder, mark):
        expect_runs(dvc, log)
        time.sleep(0.1)
    if number == signal.SIGINT and who != "stage":
        os.killpg(dvc.pid, number)  # Ctrl-C is for all processes of a terminal
    else:
        os.kill(dvc.pid if who == "dvc" else chosen(who, mark, stage), number)
    start = time.monotonic()
    found = left(mark, SECONDS)
    with suppress(subprocess.TimeoutExpired):
        dvc.wait(timeout=5)
    said = log.read_text(errors="replace")
    expect(not found, f"{what}: nothing is left ({time.monotonic() - start:.1f} s) {found}")
    if who == "stage" and number == signal.SIGTERM:
        expect("terminated; run it again to continue" in said, f"{what}: it says so")
    expect("Traceback" not in said and "PC: @" not in said, f"{what}: no stack is printed")


def expect_runs(dvc: "subprocess.Popen[bytes]", log: Path) -> None:
    if dvc.poll() is not None:
        sys.exit(f"the run ended before the moment came: {log.read_text(errors='replace')[-2000:]}")


def chosen(who: str, mark: str, stage: str) -> int:
    """The stage's process, or the shell between it and DVC; DVC itself where the shell has given way to the stage."""
    process = stage_process(mark, stage)
    return process if who == "stage" else psutil.Process(process).ppid()


def stage_process(mark: str, stage: str) -> int:
    """The Python process of the stage."""
    for process in marked(mark):
        with suppress(psutil.Error):
            if f"stages.{stage}" in process.cmdline() and "python" in Path(process.cmdline()[0]).name:
                return process.pid
    sys.exit("there is no process of the stage")


def ray_starts(folder: Path, mark: str) -> bool:
    return named(mark, "gcs_server")


def trains(folder: Path, mark: str) -> bool:
    return any("step" in path.read_text() for path in folder.glob("runs/digits-0-*/log.txt"))


def works(folder: Path, mark: str) -> bool:
    return named(mark, "ray::") and named(mark, "raylet")


def watched(folder: Path, mark: str) -> bool:
    """A few samples are preprocessed without Ray."""
    return named(mark, "pipeline.ground.lifetime")


def named(mark: str, name: str) -> bool:
    """True if a process of the run has this in its command."""
    for process in marked(mark):
        with suppress(psutil.Error):
            if any(name in word for word in process.cmdline()):
                return True
    return False


MOMENTS = (
    ("train", "while Ray starts", ray_starts),
    ("train", "in the middle of training", trains),
    ("evaluate", "while evaluating", works),
    ("preprocess", "while preprocessing", watched),
)

if __name__ == "__main__":
    say(f"{len(MOMENTS)} moments, 3 processes, 3 signals")
    main()
