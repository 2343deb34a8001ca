"""The digits are scikit-learn's, scaled without losing a grey value."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

from pipeline.download.embedded import copy_digits, digits
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT


def test_the_digits_are_scikit_learns_times_255_by_16(tmp_path: Path) -> None:
    copy_digits(tmp_path)
    images, labels = digits(tmp_path / "digits.csv.gz")
    expected = load_digits()
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, expected.target)
    np.testing.assert_array_equal(images, np.floor(expected.images * 255 / 16 + 0.5))
    assert sorted(np.unique(images)) == [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]


def test_other_digits_are_refused_with_both_digests(tmp_path: Path) -> None:
    (tmp_path / "digits.csv.gz").write_bytes(b"other")
    with pytest.raises(InputError, match=r"expected sha256 09f66e6d.*found d9298a10"):
        digits(tmp_path / "digits.csv.gz")
    with pytest.raises(InputError, match="not found"):
        digits(tmp_path / "missing.csv.gz")


def test_a_killed_stage_leaves_no_process_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from pipeline.download.embedded import _processes\n"
        "if __name__ == '__main__':\n"
        "    pool = _processes()\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert runs(worker)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while runs(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(worker)


def runs(process: int) -> bool:
    """False for a process that ended, collected or not."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(") ")[2][0] != "Z"
