"""Runs a stage: reports an error in one line, and writes a record of what it did and how long it took."""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.ground.errors import InputError, refusal
from pipeline.ground.files import write_whole
from pipeline.ground.lifetime import how_it_was_stopped, stage_lock, watched_run
from pipeline.ground.names import shown
from pipeline.ground.paths import ROOT, RUNS, check_places
from pipeline.ground.stage_record import Plan, path_of
from pipeline.ground.utf8 import use_utf8


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a finished stage reports beyond its inputs and outputs, which dvc.yaml lists."""

    known: Mapping[Path, str] = field(default_factory=dict)
    """SHA-256 of output files, if computed while writing them."""
    note: str = ""
    peak_memory_bytes: int = 0
    """Peak resident memory of the stage's largest process (on Ray: of the first worker). 0: run_stage measures the
    larger of this process and its largest child that has ended."""


def key_of(stage: str, argument: str) -> str:
    """The name of a dataset or run, from either that name or <stage>@<name>, the form of DVC_STAGE."""
    return argument.split(f"{stage}@", 1)[-1]


def run_stage(name: str, main: Callable[[], Done | None]) -> None:
    """Runs a stage, then writes its record, if that is an output in dvc.yaml, and runs/stages/<name>.json.

    Exit codes: 1 for an InputError or a disk error (full, read-only), 130 for Ctrl-C, 143 for SIGTERM.
    """
    use_utf8()
    began, start = datetime.now(UTC), time.perf_counter()
    try:
        check_places()
        with stage_lock(name), watched_run():
            plan = Plan.read(name, ROOT)
            done = main() or Done()
            if plan.has_record():
                plan.done(done.known).write(ROOT / path_of(name))
            _write_circumstances(name, began, time.perf_counter() - start, done)
    except InputError as error:
        _fail(name, str(error), 1)
    except KeyboardInterrupt:
        how, code = how_it_was_stopped()
        _fail(name, f"{how}; run it again to continue", code)
    except OSError as error:
        if (reason := refusal(error)) is None:
            raise
        _fail(name, reason, 1)


def _fail(name: str, message: str, code: int) -> None:
    print(f"error: {shown(name)}: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


def _write_circumstances(name: str, began: datetime, seconds: float, done: Done) -> None:
    """Writes what varies between runs, and therefore is not an output of the stage."""
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    content = {
        "stage": name,
        "began": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": done.peak_memory_bytes or max(usage) * 1024,  # ru_maxrss is in kB on Linux
        "host": platform.node(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "note": done.note,
    }
    write_whole(RUNS / "stages" / f"{name}.json", json.dumps(content, indent=2).encode() + b"\n")
