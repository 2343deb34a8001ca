"""Runs all runs of params.yaml concurrently; `dvc repro` runs stages one after another.

Each run is a separate DVC process for its two stages. So DVC alone decides what is out of date, restores from its cache
and commits; it releases its lock while a stage computes. With `address: local` and `workers: auto` or 1, a stage
computes in its own process. Otherwise all runs share one Ray cluster, which places each training separately, so a
cluster with more nodes takes more runs at once; one with an autoscaler is asked for room for all that have not ended.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.cli.screen import RunState, ScreenRow, screen
from pipeline.cli.status import changed_stages
from pipeline.cluster.workers import SHARED, WORKERS, in_this_process, workers_here
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import watched_run
from pipeline.ground.paths import ROOT, RUNS
from pipeline.protocol.params import Params, load_params

STAGES = ("train", "evaluate")
"""Stages of a run, in the order of dvc.yaml."""
LOGS = RUNS / "sweep"
DVC = (sys.executable, "-m", "dvc", "--wait-for-lock")
_END_SECONDS = 60.0
"""Time after an interrupt before a run is killed."""
_POLL_SECONDS = 0.5

Process = subprocess.Popen[bytes]


@dataclass(kw_only=True)
class SweepRun:
    """A run of the sweep, with its process."""

    name: str
    command: Sequence[str]
    process: Process | None = None
    """None while the run waits."""
    began: float = 0.0
    ended: float | None = None

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def failed(self) -> bool:
        return self.ended is not None and self.process is not None and self.process.returncode != 0

    def row(self) -> ScreenRow:
        """The current row of the screen."""
        if self.process is None:
            return ScreenRow(name=self.name, state="waiting", seconds=0.0, last="")
        seconds = (self.ended or time.monotonic()) - self.began
        if self.failed:
            return ScreenRow(name=self.name, state="failed", seconds=seconds, last=reason(self.log))
        state: RunState = "running" if self.ended is None else "done"
        return ScreenRow(name=self.name, state=state, seconds=seconds, last=_last_line(self.log))


def sweep() -> None:
    """Does every run that is out of date, then the rest of the pipeline. Raises InputError, KeyboardInterrupt."""
    with watched_run():
        _sweep()


def _sweep() -> None:
    params = load_params()
    reproduce(*dict.fromkeys(f"preprocess@{run.dataset}" for run in params.runs.values()))
    runs = [SweepRun(name=name, command=stages_of_run(name)) for name in out_of_date(list(params.runs))]
    print(f"{len(runs)} of {len(params.runs)} run(s) to do", flush=True)
    if runs:
        do(runs, params)
    if failed := [run for run in runs if run.failed]:
        lines = [f"{run.name}: {reason(run.log)} (all of it: {run.log})" for run in failed]
        raise InputError("\n  ".join([f"{len(failed)} of {len(runs)} run(s) failed; the others are done", *lines]))
    reproduce()


def stages_of_run(name: str) -> list[str]:
    """The command that does a run's stages."""
    return [*DVC, "repro", "--single-item", *(f"{stage}@{name}" for stage in STAGES)]


def reproduce(*targets: str) -> None:
    """Runs `dvc repro` with its output on the terminal. Raises InputError if it fails."""
    with watched_run():
        process = start([*DVC, "repro", *targets], os.environ)
        try:
            process.wait()
        finally:
            end([process])
    if process.returncode:
        raise InputError(f"`dvc repro {' '.join(targets)}` failed, see above; mend that and run this again")


def out_of_date(names: Sequence[str]) -> list[str]:
    """The runs with a stage that DVC reports as out of date. Raises InputError."""
    changed = changed_stages(ROOT)
    return [name for name in names if any(f"{stage}@{name}" in changed for stage in STAGES)]


def do(runs: Sequence[SweepRun], params: Params) -> None:
    """Does the runs: each in its own process on this machine, or all on one Ray cluster."""
    trainings, cluster = [params.experiments[params.runs[run.name].experiment].training for run in runs], params.cluster
    cpus, gpus = cluster.cpus(max(training.threads for training in trainings)), cluster.gpus_per_worker
    micro_batches = max(training.micro_batches for training in trainings)
    if in_this_process(cluster) and not gpus:
        places = workers_here(cluster.model_copy(update={"workers": "auto"}), sys.maxsize, cpus)
        each = share(places, len(runs), micro_batches) if cluster.workers == "auto" else 1
        side_by_side(runs, lambda left: places // each, os.environ | {WORKERS: str(each)})
        return
    import ray  # takes seconds to import

    from pipeline.cluster.growth import asked_to_grow
    from pipeline.cluster.session import connect

    with connect(cluster, most=sys.maxsize, cpus_each=cpus, gpus_each=gpus) as fits:
        workers = share(fits, len(runs), micro_batches) if cluster.workers == "auto" else cluster.workers
        environment = os.environ | {SHARED: ray.get_runtime_context().gcs_address, WORKERS: str(workers)}
        with asked_to_grow(cluster, cpus, gpus) as room:
            side_by_side(runs, lambda left: max(1, room(left * workers) // workers), environment)


def side_by_side(runs: Sequence[SweepRun], room: Callable[[int], int], environment: Mapping[str, str]) -> None:
    """Starts a run whenever there is room for one more, until all have ended. On an exception it ends all of them.

    `room` says how many runs fit at once, given how many have not ended.
    """
    try:
        with screen() as show:
            while left := sum(run.ended is None for run in runs):
                poll(runs, room(left), environment)
                show([run.row() for run in runs])
                time.sleep(_POLL_SECONDS)
    finally:
        end([run.process for run in runs if run.process is not None])


def share(places: int, runs: int, micro_batches: int) -> int:
    """Number of workers of each run, equal for all: places / runs, at least 1 and at most `micro_batches`."""
    return max(1, min(micro_batches, places // runs))


def poll(runs: Sequence[SweepRun], room: int, environment: Mapping[str, str]) -> None:
    """Records which runs have ended, and starts others in their places."""
    running = [run for run in runs if run.process is not None and run.ended is None]
    for run in running:
        assert run.process is not None
        if run.process.poll() is not None:
            run.ended = time.monotonic()
    free = room - sum(run.ended is None for run in running)
    for run in [run for run in runs if run.process is None][: max(0, free)]:
        run.log.parent.mkdir(parents=True, exist_ok=True)
        with run.log.open("wb") as log:
            run.process = start(run.command, environment, log.fileno())
        run.began = time.monotonic()


def start(command: Sequence[str], environment: Mapping[str, str], output: int | None = None) -> Process:
    """Starts a command with our Python first in PATH, in a process group of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def end(processes: Sequence[Process]) -> None:
    """Interrupts each process that is still running, and kills it if it has not ended after _END_SECONDS."""
    left = [process for process in processes if process.poll() is None]
    for process in left:
        os.killpg(process.pid, signal.SIGINT)
    try:
        for process in left:
            process.wait(_END_SECONDS)
    finally:
        for process in left:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _last_line(log: Path) -> str:
    """The last non-empty line of a log that may still grow."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def reason(log: Path) -> str:
    """The last error message in a log; without one, the last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return said[-1] if said else _last_line(log)
