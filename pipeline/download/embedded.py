"""Datasets that need no network: scikit-learn's handwritten digits as images, and recorded by a simulated camera."""

import hashlib
import importlib.util
import multiprocessing
import os
import shutil
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.download.camera import simulate, write_aedat2
from pipeline.ground.cpus import cpus_here
from pipeline.ground.errors import InputError
from pipeline.ground.params import CameraParams
from pipeline.ground.progress import progress

DIGITS_FILE = "digits.csv.gz"
DIGITS_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
_GREATEST = 16  # value of a black pixel in scikit-learn's digits


def copy_digits(into: Path) -> None:
    """Copies digits.csv.gz, as scikit-learn ships it, into `into`. Raises InputError if it is another file."""
    shutil.copyfile(_shipped_digits(), into / DIGITS_FILE)


def record_digits(into: Path, camera: CameraParams) -> None:
    """Writes <class>/<class>_<index>.aedat for the first `recordings_per_class` digits of each class.

    `index` counts all digits in scikit-learn's order. The simulation uses all CPUs; the bytes do not depend on their
    number.
    """
    images, labels = digits(_shipped_digits())
    chosen = _first_of_each_class(labels, camera.recordings_per_class)
    for label in np.unique(labels):
        (into / str(label)).mkdir()
    paths = [into / str(labels[index]) / f"{labels[index]}_{index:04d}.aedat" for index in chosen]
    with _processes() as pool, progress("digits-dvs (simulated)", total=len(chosen), unit="recordings") as bar:
        for _ in pool.map(partial(_record, camera), paths, images[chosen], map(int, chosen), chunksize=4):
            bar.update()


def digits(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images (1797, 8, 8) scaled from 0..16 to 0..255, and labels (1797,), of a digits.csv.gz. Raises InputError."""
    _check_digits(path)
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
    images = (rows[:, :-1] * 255 + _GREATEST // 2) // _GREATEST
    return images.astype(np.uint8).reshape(-1, 8, 8), rows[:, -1]


def _shipped_digits() -> Path:
    package = importlib.util.find_spec("sklearn")  # found, not imported: the import takes seconds
    if package is None or package.origin is None:
        raise InputError("the digits come with scikit-learn, which is not installed; install the requirements")
    path = Path(package.origin).parent / "datasets" / "data" / DIGITS_FILE
    _check_digits(path)
    return path


def _check_digits(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: not found; it comes with scikit-learn")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != DIGITS_SHA256:
        raise InputError(
            f"{path}: expected sha256 {DIGITS_SHA256}, found {found}; install scikit-learn as requirements.lock says"
        )


def _first_of_each_class(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Indices of the first `count` samples of every class, in stored order. Raises InputError if a class has fewer."""
    chosen = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    fewest = min(len(indices) for indices in chosen)
    if fewest < count:
        raise InputError(f"camera.recordings_per_class is {count}, but a class has only {fewest} digits")
    return np.sort(np.concatenate(chosen))


def _processes() -> ProcessPoolExecutor:
    """A pool with one process per CPU; they end with this process."""
    return ProcessPoolExecutor(
        max_workers=cpus_here(),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_follow_parent,
    )


def _follow_parent() -> None:
    """Ignores Ctrl-C, so that only the parent prints a message, and ends this process when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _record(camera: CameraParams, path: Path, image: npt.NDArray[np.uint8], index: int) -> None:
    write_aedat2(simulate(image, camera, index=index), path)
