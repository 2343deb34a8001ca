"""Processes of one user on one machine compile a kernel one after the other: the first does, the others find it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_process() -> Iterator[None]:
    """Within it, the other processes of this user wait."""
    path = Path(tempfile.gettempdir()) / f"sresnet-kernels-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
