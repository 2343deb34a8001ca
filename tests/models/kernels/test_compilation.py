"""Processes that start at once compile a kernel once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import torch
from models.kernels import cpu

torch.set_num_threads(1)
values = torch.ones(2, 3, 4)
print("ready", flush=True)
input()
combined = cpu.combine(values, values, *torch.ones(3, 2, 4))
stats = cpu._combine.stats
print(sum(stats.cache_misses.values()), sum(stats.cache_hits.values()), combined.unique().tolist())
print(torch.get_num_threads())
"""


def start(folder: Path) -> subprocess.Popen[str]:
    """A process with an empty cache and a lock of its own, beside those of this test."""
    environment = os.environ | {
        "NUMBA_NUM_THREADS": "2",
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_two_processes_compile_once(tmp_path: Path) -> None:
    """One misses the cache and fills it, the other waits and finds it filled; torch keeps its own number of threads."""
    processes = [start(tmp_path) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    found = sorted(process.communicate(timeout=120)[0] for process in processes)
    assert found == ["0 1 [3.0]\n1\n", "1 0 [3.0]\n1\n"]


def test_a_copy_of_the_code_finds_what_the_first_compiled(tmp_path: Path) -> None:
    """And a copy with another constant in another file does not."""
    counts = [copy_launches(tmp_path, name) for name in ("first", "second")]
    surrogate = tmp_path / "second" / "models" / "surrogate.py"
    surrogate.write_text(surrogate.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    assert [*counts, copy_launches(tmp_path, "second")] == ["1 0", "0 1", "1 0"]


def copy_launches(folder: Path, name: str) -> str:
    """Cache misses and hits of one launch by a copy of the network's code."""
    if not (folder / name).exists():
        shutil.copytree(ROOT / "models", folder / name / "models", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder / name)}
    command = [sys.executable, "-c", PROCESS]
    done = subprocess.run(
        command, cwd=folder, env=environment, input="\n", capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.splitlines()[1].partition(" [")[0]
