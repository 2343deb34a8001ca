"""numba: its threads, and a cache of compiled kernels, a per-user folder named by a digest of the code.

A machine compiles each kernel once. By default, numba caches beside the source, once for each checkout and for each
copy that Ray ships to a node, and does not notice that a constant in another file has changed.
"""

import hashlib
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_THREADING_LAYER_PRIORITY", "omp tbb workqueue")  # omp: torch's own threads

import numba
from numba.core.caching import UserWideCacheLocator

MOST_THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined] # made when it is read


def set_threads(count: int) -> None:
    """The number of threads of the next kernels; numba allows no more than there were cores when it was imported."""
    numba.set_num_threads(min(count, MOST_THREADS))


def threads_compute_at_once() -> bool:
    """Whether several threads may run parallel kernels at once: only OpenMP allows it, numba's own layer aborts."""
    config: Any = numba.config
    if config.THREADING_LAYER != "omp" and [config.THREADING_LAYER, *config.THREADING_LAYER_PRIORITY[:1]] != [
        "default",
        "omp",
    ]:
        return False
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    return True


class ByCode(UserWideCacheLocator):
    """One cache folder for all files of a kernel's package; NUMBA_CACHE_DIR sets its parent."""

    def get_cache_path(self) -> str:
        config: Any = numba.config
        default: str = super().get_cache_path()  # type: ignore[no-untyped-call] # numba has no types
        name = f"sresnet-{package_digest(Path(self._py_file).parents[1])[:16]}{'-threads' * threads_compute_at_once()}"
        return os.path.join(config.CACHE_DIR or os.path.dirname(default), name)


@cache
def package_digest(folder: Path) -> str:
    """SHA-256 over the Python files below a folder."""
    files = sorted(folder.rglob("*.py"))
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


@contextmanager
def cached_by_code() -> Iterator[None]:
    """Kernels decorated within the block use this cache, or the one beside the source if the folder is not writable."""
    config: Any = numba.config
    before = config.CACHE_LOCATOR_CLASSES
    config.CACHE_LOCATOR_CLASSES = f"{__name__}.{ByCode.__name__},InTreeCacheLocator"
    try:
        yield
    finally:
        config.CACHE_LOCATOR_CLASSES = before
