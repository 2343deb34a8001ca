"""Processes that start at the same time compile a kernel once, even from different copies of the code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import torch
from models.kernels import cpu, numba_kernels

torch.set_num_threads(1)
values = torch.ones(2, 3, 4)
print("ready", flush=True)
input()
combined = cpu.combine(values, values, *torch.ones(3, 2, 4))
stats = numba_kernels.combine.stats
print(sum(stats.cache_misses.values()), sum(stats.cache_hits.values()), combined.unique().tolist())
print(torch.get_num_threads())
"""


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    """A process of a copy of the network's code; the copies have a cache and a lock beside those of this test."""
    if not (folder / name).exists():
        shutil.copytree(ROOT / "models", folder / name / "models", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {
        "NUMBA_NUM_THREADS": "2",
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(folder / name),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def launched(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each says of its first launch; all launch at once."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return sorted(process.communicate(timeout=120)[0] for process in processes)


def test_copies_of_the_code_compile_once(tmp_path: Path) -> None:
    """One misses the cache and fills it, the other waits and finds it filled; torch keeps its own number of threads.

    A copy with another constant in another file does not find it.
    """
    compiled, found = "1 0 [3.0]\n1\n", "0 1 [3.0]\n1\n"
    assert launched([start(tmp_path, name) for name in ("first", "second")]) == [found, compiled]
    surrogate = tmp_path / "second" / "models" / "surrogate.py"
    surrogate.write_text(surrogate.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    assert launched([start(tmp_path, "second")]) == [compiled]
