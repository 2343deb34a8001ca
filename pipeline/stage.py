"""What every stage has around it: one clear error, and a record of what varies from run to run."""

import errno
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import InputError
from pipeline.files import write_whole
from pipeline.paths import RUNS

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
"""What a disk says when it is full, over quota or not ours to write."""


def run(name: str, main: Callable[[], dict[str, Any] | None]) -> None:
    """Runs a stage and records it in runs/records/<name>.json, with what `main` returns to add to the record.

    Exits with 1 on an InputError or a refusing disk, with 130 on Ctrl-C.
    """
    began, start = datetime.now(UTC), time.perf_counter()
    try:
        added = main() or {}
    except InputError as error:
        _fail(name, str(error), 1)
    except KeyboardInterrupt:
        _fail(name, "interrupted; run it again to continue", 130)
    except OSError as error:
        if error.errno not in DISK:
            raise
        reason = (error.strerror or "refused").lower()
        _fail(name, f"{error.filename or 'the disk'}: {reason}; mend that and run it again", 1)
    _record(name, began, time.perf_counter() - start, added)


def _fail(name: str, message: str, code: int) -> None:
    print(f"error: {name}: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


def _record(name: str, began: datetime, seconds: float, added: dict[str, Any]) -> None:
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    record = {
        "stage": name,
        "began": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": max(usage) * 1024,  # kilobytes on Linux; the largest single process
        "host": platform.node(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "note": "",
        **added,
    }
    path = RUNS / "records" / f"{name}.json"
    write_whole(path, json.dumps(record, indent=2).encode() + b"\n")
