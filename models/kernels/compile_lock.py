"""A file lock for compiling kernels: the first process of a user compiles, the others then load from the cache."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def compile_lock() -> Iterator[None]:
    """Within the block, this process holds the lock; other processes of this user on this machine wait."""
    path = Path(tempfile.gettempdir()) / f"sresnet-kernels-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
