"""What every stage has around it: one clear error, a record of what it did, and how long that took."""

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
    """What a stage can say when it has come to its end; dvc.yaml says what it read and wrote."""

    known: Mapping[Path, str] = field(default_factory=dict)
    """SHA-256 of files that were computed while they were written."""
    note: str = ""
    peak_memory_bytes: int = 0
    """Of its largest process, where that is neither this one nor a child of it."""


def key_of(stage: str, argument: str) -> str:
    """The name of a dataset or run, given alone or as DVC_STAGE has it: <stage>@<name>."""
    return argument.split(f"{stage}@", 1)[-1]


def run_stage(name: str, main: Callable[[], Done | None]) -> None:
    """Runs a stage, then writes its record, if dvc.yaml has it among its outs, and runs/stages/<name>.json.

    Exits with 1 on an InputError or a refusing disk, with 130 on Ctrl-C, with 143 on SIGTERM.
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
    """What varies from run to run, and so is no output of the stage."""
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    content = {
        "stage": name,
        "began": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": done.peak_memory_bytes or max(usage) * 1024,  # kilobytes on Linux; the largest process
        "host": platform.node(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "note": done.note,
    }
    write_whole(RUNS / "stages" / f"{name}.json", json.dumps(content, indent=2).encode() + b"\n")
