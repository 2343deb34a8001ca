"""The samples in files of the user's own, read by the rules of a network's training data."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.download.archives import is_hidden
from pipeline.download.catalog import CATALOG
from pipeline.ground.errors import InputError, by_reason
from pipeline.ground.names import shown
from pipeline.predict.network import Trained
from pipeline.preprocess.pictures import decode_image
from pipeline.preprocess.samples import samples_of
from pipeline.preprocess.scatter import Buffer

Pixels = npt.NDArray[Any]


@dataclass
class Files:
    """Reads named files and folders one at a time; a wrong one is kept in `wrong`, and the others go on."""

    trained: Trained
    read: int = 0
    """Number of files that were read."""
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Each file or folder that cannot be read, and its error."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Numbers of the other files in the folders, by suffix."""

    def found(self, paths: Iterable[str]) -> Iterator[Path]:
        """The files of these paths; of a folder, all images or recordings below it."""
        for path in map(Path, paths):
            yield from self._or_noted(partial(self._files, path), path) or ()

    def samples(self, files: Iterable[Path], done: Callable[[], None]) -> Iterator[tuple[str, Pixels]]:
        """The name and the pixels, (C, H, W) or (T, 2, H, W), of each sample; calls `done` after each file."""
        buffer = Buffer()
        for path in files:
            read = self._or_noted(partial(self._of_file, path, buffer), path)
            if read is not None:
                self.read += 1
                yield from read
            done()

    def check_read(self) -> None:
        """Raises InputError that names every file or folder that could not be read."""
        if self.wrong:
            raise InputError("\n".join([f"{len(self.wrong):,} cannot be read:", *by_reason(self.wrong)]))

    def _or_noted(self, do: Callable[[], Any], path: Path) -> Any:
        """The result; None if the file or folder is wrong, which is then noted."""
        try:
            return do()
        except InputError as error:
            self.wrong.append((shown(str(path)), shown(str(error))))
        except OSError as error:
            self._note(error, path)
        return None

    def _note(self, error: OSError, path: Path) -> None:
        name, reason = shown(str(error.filename or path)), (error.strerror or "?").lower()
        self.wrong.append((name, f"{name}: cannot be read ({reason})"))

    def _files(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return [path]
        kind = "images" if self.trained.reading is None else "recordings"
        suffixes = CATALOG[kind].suffixes
        inside = list(self._below(path))
        files = [one for one in inside if one.suffix.lower() in suffixes]
        self.left_out.update(one.suffix.lower() or "no suffix" for one in inside if one.suffix.lower() not in suffixes)
        if not files:
            raise InputError(f"{path}: no {kind} in this folder; expected {', '.join(suffixes)}")
        return files

    def _below(self, folder: Path) -> Iterator[Path]:
        """The files below a folder, without hidden ones, in a fixed order. A link to a folder counts as a file."""
        for parent, folders, names in os.walk(folder, onerror=lambda error: self._note(error, folder)):
            links = [name for name in folders if Path(parent, name).is_symlink()]
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            yield from (Path(parent, name) for name in sorted([*names, *links]) if not is_hidden(name))

    def _of_file(self, path: Path, buffer: Buffer) -> list[tuple[str, Pixels]]:
        if not path.is_file():
            raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file or folder'}")
        data, name = path.read_bytes(), str(path)
        if self.trained.reading is None:
            return [(name, self._image(decode_image(data, name), name))]
        samples = []
        for sample in samples_of(data, name, self.trained.reading, Counter(), buffer):
            if self.trained.inputs.sensor != list(sample.sensor):
                raise InputError(
                    f"{name}: a sensor of {_by(sample.sensor)} pixels, the network was trained on one of "
                    f"{_by(self.trained.inputs.sensor or ())}; train a network on recordings of this sensor"
                )
            samples.append((sample.name, sample.frames.copy()))
        return samples

    def _image(self, pixels: npt.NDArray[np.uint8], where: str) -> Pixels:
        """The image (3, H, W) with the network's channels: itself, or its grey (1, H, W) by Pillow's formula."""
        channels, height, width = self.trained.inputs.sample_shape
        if pixels.shape[1:] != (height, width):
            raise InputError(
                f"{where}: {_by(pixels.shape[:0:-1])} pixels, the network takes {width} x {height}; crop or resize it"
            )
        if channels == 1:
            return np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L"))[None]
        return pixels


def _by(sizes: Iterable[int]) -> str:
    return " x ".join(map(str, sizes))
