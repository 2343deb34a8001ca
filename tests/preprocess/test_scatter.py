"""The kernels: compiled by one process at a time, cached for the others, and never writing outside of their tables."""

import fcntl
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from models.kernels.compile_lock import compile_lock
from pipeline.preprocess import scatter
from pipeline.preprocess.scatter import NOWHERE, Buffer, compiled, count_columns, count_rows


def test_one_process_compiles_and_the_others_wait() -> None:
    with (Path(tempfile.gettempdir()) / f"sresnet-kernels-{os.getuid()}.lock").open("w") as file:
        with compile_lock(), pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX)


def test_what_is_compiled_is_cached_for_other_processes() -> None:
    kernel = compiled(scatter._rows_kernel, np.uint8)
    assert compiled(scatter._rows_kernel, np.uint8) is kernel
    folder = Path(kernel.stats.cache_path)  # type: ignore[attr-defined]
    assert list(folder.glob("scatter._rows_kernel-*.nbc"))


def test_a_value_without_an_entry_is_never_counted() -> None:
    table = np.array([0, 1])
    zeros = np.zeros(4, np.int64)
    for value in (2, -1, 2**40):
        bad = np.array([0, value, 1, 0], np.int64)
        for columns in ((bad, zeros, zeros), (zeros, bad, zeros), (zeros, zeros, bad)):
            assert count_columns(columns, (table, table, table), (2, 4), Buffer()) is None
    rows = np.array([[0, 0, 0], [0, 0, 9]], np.uint8)
    entries = np.where(np.arange(256) < 2, np.arange(256), NOWHERE)
    assert count_rows(rows, (0, 1, 2), (entries, entries, entries), (2, 4), Buffer()) is None
    frames = count_rows(rows % 8, (0, 1, 2), (entries, entries, entries), (2, 4), Buffer())
    assert frames is not None
    assert frames.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


def test_a_buffer_grows_and_is_used_again() -> None:
    buffer = Buffer()
    small = buffer.zeros((2, 4), np.uint8)
    large = buffer.zeros((2, 4), np.uint32)
    again = buffer.zeros((2, 4), np.uint8)
    assert (small.shape, large.dtype) == ((2, 4), np.uint32)
    assert np.shares_memory(again, large)
    assert not np.shares_memory(small, large)
