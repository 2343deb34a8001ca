"""What every stage has around it: one clear error, and a record of what it read, wrote and ran on."""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.ground.code import CODE, code_files
from pipeline.ground.digests import FileDigest, digest_all
from pipeline.ground.errors import InputError, refusal
from pipeline.ground.files import write_whole
from pipeline.ground.lifetime import alone, how_it_was_stopped, watched_run
from pipeline.ground.names import shown, use_utf8
from pipeline.ground.paths import ROOT, RUNS, check_places
from pipeline.ground.yaml_file import read_yaml

PACKAGES = ("torch", "torchvision", "ray", "dvc", "pyarrow", "numpy", "numba", "triton", "tonic", "scikit-learn")
"""What a number can depend on."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a stage says when it has come to its end."""

    reads: list[Path]
    """Files, and folders for all that is in them; its code and params.yaml are found without it."""
    writes: list[Path]
    parameters: dict[str, Any]
    """Its part of params.yaml, by key."""
    known: Mapping[Path, str] = field(default_factory=dict)
    """SHA-256 of files that were computed while they were written."""
    note: str = ""
    peak_memory_bytes: int = 0
    """Of its largest process, where that is neither this one nor a child of it."""


def key_of(stage: str, argument: str) -> str:
    """The name of a dataset or run, given alone or as DVC_STAGE has it: <stage>@<name>."""
    return argument.split(f"{stage}@", 1)[-1]


def run(name: str, main: Callable[[], Done], after: Callable[[], None] | None = None) -> None:
    """Runs a stage, records it in runs/records/<name>.json, then calls `after`, which finds the record there.

    Exits with 1 on an InputError or a refusing disk, with 130 on Ctrl-C, with 143 on SIGTERM.
    """
    use_utf8()
    began, start = datetime.now(UTC), time.perf_counter()
    try:
        check_places()
        with alone(name), watched_run():
            done = main()
            _record(name, began, time.perf_counter() - start, done)
            if after is not None:
                after()
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


def _record(name: str, began: datetime, seconds: float, done: Done) -> None:
    stage, _, key = name.partition("@")
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    record = {
        "stage": name,
        "command": ["python", "-m", f"stages.{stage}", *([key] if key else [])],
        "began": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": done.peak_memory_bytes or max(usage) * 1024,  # kilobytes on Linux; the largest process
        "host": platform.node(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "packages": packages(),
        "note": done.note,
        "parameters": done.parameters,
        "code": _listed(digest_all(ROOT, code_files(rooms(stage, ROOT), ROOT))),
        "reads": _listed(digest_all(ROOT, done.reads)),
        "writes": _listed(digest_all(ROOT, done.writes, done.known)),
    }
    path = RUNS / "records" / f"{name}.json"
    write_whole(path, json.dumps(record, indent=2).encode() + b"\n")


def _listed(files: Iterable[FileDigest]) -> list[dict[str, Any]]:
    return [asdict(file) for file in files]


def packages() -> dict[str, str]:
    """Installed versions of what a number can depend on; triton is not there on every system."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def rooms(stage: str, root: Path = ROOT) -> list[str]:
    """The code that a stage of dvc.yaml depends on; tests/test_rooms.py proves that nothing is missing there."""
    described = read_yaml(root / "dvc.yaml")["stages"][stage]
    return [dep for dep in described.get("do", described)["deps"] if dep.split("/")[0] in CODE]
