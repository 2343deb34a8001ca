"""Peak memory of one step beyond that of the process before it, measured in a new process.

python -m benchmarks.memory FILE
"""

import ctypes
import gc
import pickle
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.forms import Case, Form, step_of


def peak_bytes(case: Case, form: Form, threads: int, processes: int) -> int:
    """Memory (bytes) of one step beyond that of weights, images and libraries; the median over some processes."""
    return statistics.median_low(in_a_process(case, form, threads) for _ in range(processes))


def in_a_process(case: Case, form: Form, threads: int) -> int:
    """The measurement in one new process (bytes)."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps((case, form, threads)))
        file.flush()
        command = [sys.executable, "-m", "benchmarks.memory", file.name]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(printed.splitlines()[-1])


def measured(case: Case, form: Form, threads: int) -> int:
    """The measurement in this process (bytes), after a small step that loads and compiles everything.

    Every large tensor gets its own pages (glibc's M_MMAP_THRESHOLD, 1 MiB), so that freed memory is returned.
    """
    ctypes.CDLL(None).mallopt(-3, 1 << 20)
    torch.set_num_threads(threads)
    step_of(replace(case, batch=1, network=replace(case.network, time_steps=2, blocks=1, width=8)), form)()
    step = step_of(case, form)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak, see proc(5)
    before = _status("VmRSS")
    step()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    """An entry of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return int(kilobytes) * 1024


if __name__ == "__main__":
    print(measured(*pickle.loads(Path(sys.argv[1]).read_bytes())))
