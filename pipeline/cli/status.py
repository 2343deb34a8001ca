"""`sresnet` without a command: the state of this checkout, and what to do next."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.cli.results import show_results
from pipeline.cluster.runs import runs_folder
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import is_running
from pipeline.ground.stage_record import path_of
from pipeline.protocol.params import Params, load_params

_NAMES_SHOWN = 2
"""Most runs or datasets that are named per reason. If there are more, the first and a number are shown."""
_LONG = 30
"""Length of a path (characters) from which on only the file's name is shown."""

Changed = Mapping[str, Any]
"""Output of `dvc status --json`, by stage."""


def show_status() -> None:
    """Prints whether the checkout is not set up, never run, interrupted, out of date or done. Raises InputError."""
    if not paths.PARAMS.exists():
        print("There is no params.yaml: choose what to run.\n\n  sresnet use quick   the default\n  sresnet use --help")
        return
    params = load_params()
    head = f"profile {params.profile}, {len(params.runs)} training(s)"
    if running := running_stages(params):
        print(f"{head}: running here now\n\n  " + "\n  ".join(running))
        trains = any(name.startswith("train@") for name in running)
        print("\nAsk again when it has ended." + trains * " `tail -f runs/*/log.txt` follows the trainings.")
        return
    if never_run(params):
        print(f"{head}: never run here\n\n  make repro      run all of it\n  sresnet plan    how long that takes")
        return
    began = time.monotonic()
    changed = changed_stages(paths.ROOT)
    head = f"{head}: {'out of date' if changed else 'done'} (dvc status, {time.monotonic() - began:.1f} s)\n"
    print(head, flush=True)
    if not changed:
        show_results()
        print("\nTo run something else: edit params.yaml, or choose a profile (`sresnet use`).")
        return
    print("\n".join([*reason_lines(changed), ""]), flush=True)
    stopped = list(stopped_lines(params, changed))
    print("\n".join([*stopped, *([""] if stopped else []), "  make repro      run these, and what depends on them"]))


def never_run(params: Params) -> bool:
    """True if no training of params.yaml has begun or ended here."""
    runs = runs_folder(params.cluster)
    return not any((paths.ROOT / path_of(f"train@{name}")).exists() or _began(runs, name) for name in params.runs)


def running_stages(params: Params) -> list[str]:
    """Names of the stages that a process is in; DVC answers nothing about a checkout while one of its stages runs."""
    of_data = [f"{stage}@{name}" for stage in ("download", "preprocess") for name in params.datasets]
    of_runs = [f"{stage}@{name}" for stage in ("train", "evaluate") for name in params.runs]
    return [name for name in (*of_data, *of_runs, "agreement", "report") if is_running(name)]


def _began(runs: Path, name: str) -> bool:
    return any(runs.glob(f"{name}-*/checkpoints"))


def changed_stages(root: Path) -> Changed:
    """The stages of a checkout that are out of date, as DVC sees them. Raises InputError.

    Asks for all stages at once, because DVC reads params.yaml again for each target that is named.
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "status", "--json"]
    status = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if "is busy" in status.stderr:  # DVC writes what a stage made, between two stages
        busy = ", ".join(sorted({line.strip() for line in status.stderr.splitlines() if "(PID " in line}))
        raise InputError(f"another `dvc` is at work in this checkout, {busy}; ask again when it has ended")
    if status.returncode:
        raise InputError(f"dvc status: {' '.join(status.stderr.split()) or 'failed'}")
    changed: Changed = json.loads(status.stdout)
    return changed


def reason_lines(changed: Changed) -> list[str]:
    """One line per kind of stage and reason, in the order of the pipeline."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, entries in changed.items():
        stage, _, key = name.partition("@")
        proof = paths.ROOT / (f"{paths.REPORT.name}/audit.json" if name == "report" else path_of(name))
        # Of a stage that never ran, DVC says that all it depends on is modified.
        groups[stage, why_changed(entries) if proof.exists() else "no output here"].append(key)
    return [f"  {stage:<11}{_some(names):<26}{why}".rstrip() for (stage, why), names in groups.items()]


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= _NAMES_SHOWN else f"{names[0]} and {len(names) - 1} more"


def why_changed(entries: list[Any]) -> str:
    """Why DVC runs a stage, in a few words: its first changed dependency, or else its first changed output."""
    found: dict[str, Any] = {}
    for entry in entries:
        found |= entry if isinstance(entry, dict) else {entry: {}}
    if deps := found.get("changed deps"):
        path, how = next(iter(deps.items()))
        if isinstance(how, dict):  # params.yaml: changes by key
            path, how = next(iter(how.items()))
        return f"{path if len(path) < _LONG else Path(path).name}: {how}"
    if outs := found.get("changed outs"):
        path, how = next(iter(outs.items()))
        return f"{Path(path).name}: {how}"
    return next(iter(found))


def stopped_lines(params: Params, changed: Changed) -> Iterator[str]:
    """One line per training that was stopped and will resume."""
    for name in params.runs:
        if f"train@{name}" not in changed:
            continue
        if _began(runs_folder(params.cluster), name) and (done := _done(params, name)) is not None:
            epochs = params.experiments[params.runs[name].experiment].training.epochs
            epoch, step = done
            if epoch == epochs:
                yield f"  {name} was trained to the end already: its outputs are written from runs/"
            else:
                where = f"in epoch {epoch + 1}" if step else f"after epoch {epoch}"
                yield f"  {name} was stopped {where} of {epochs}: no result, resumes there"


def _done(params: Params, name: str) -> tuple[int, int] | None:
    """Finished epochs, and steps of the next, of a training with these parameters, data and code; None if it has no
    checkpoint."""
    from pipeline.train.checkpoints import newest_state  # torch takes seconds to import
    from pipeline.train.jobs import job_of

    run = params.runs[name]
    job = job_of(name, run, params.experiments[run.experiment], params.cluster)
    if not (job.data / "train.json").exists():
        return None
    state = newest_state(job.checkpoint())
    return None if state is None else (state.epoch, state.step)
