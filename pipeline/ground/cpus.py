"""How many CPUs this process may use."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpus_here(cgroup: Path = CGROUP) -> int:
    """CPUs that this process is pinned to, at most a container's quota, rounded up."""
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS
    quota = _quota(cgroup)
    return pinned if quota is None else min(pinned, math.ceil(quota))


def _quota(cgroup: Path) -> float | None:
    """CPUs whose time a container gets, None without a limit.

    Version 2 of control groups keeps quota and period in one file, `max` for none; version 1 in two, -1 for none.
    """
    try:
        if (both := cgroup / "cpu.max").exists():
            quota, period = map(int, both.read_text(encoding="ascii").split())
        else:
            quota, period = (
                int((cgroup / "cpu" / name).read_text(encoding="ascii"))
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None
