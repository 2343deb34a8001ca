"""The samples in files of the user's own, read by the rules of a network's training data."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.download.catalog import CATALOG
from pipeline.download.listing import Member, list_files, read_member
from pipeline.ground.errors import InputError, refusal
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
    wrong: list[str] = field(default_factory=list)
    """One line for each file that cannot be read."""

    def found(self, paths: Iterable[str]) -> Iterator[Member]:
        """The files of these paths; of a folder, all images or recordings in it and in its archives."""
        for path in map(Path, paths):
            if not path.is_dir():
                yield Member(str(path), 0, path, None)
                continue
            for inside in self._or_noted(partial(self._in_folder, path), path) or ():
                yield Member(str(path / inside.id), inside.size, inside.path, inside.name)

    def samples(self, members: Iterable[Member], done: Callable[[], None]) -> Iterator[tuple[str, Pixels]]:
        """The name and the pixels, (C, H, W) or (T, 2, H, W), of each sample; calls `done` after each file."""
        buffer = Buffer()
        for member in members:
            read = self._or_noted(partial(self._of_file, member, buffer), member.path)
            if read is not None:
                self.read += 1
                yield from read
            done()

    def _or_noted(self, do: Callable[[], Any], path: Path) -> Any:
        """The result; None if the file is wrong, which is then noted."""
        try:
            return do()
        except InputError as error:
            self.wrong.append(str(error))
        except OSError as error:
            self.wrong.append(refusal(error) or f"{path}: cannot be read ({error.strerror})")
        return None

    def _in_folder(self, path: Path) -> list[Member]:
        return list_files(path, CATALOG["images" if self.trained.reading is None else "recordings"].suffixes).members

    def _of_file(self, member: Member, buffer: Buffer) -> list[tuple[str, Pixels]]:
        if member.name is None and not member.path.is_file():
            raise InputError(f"{member.path}: no such file or folder")
        data = read_member(member)
        if self.trained.reading is None:
            return [(member.id, self._image(decode_image(data, member.id), member.id))]
        samples = []
        for sample in samples_of(data, member.id, self.trained.reading, Counter(), buffer):
            if self.trained.inputs.sensor not in (None, list(sample.sensor)):
                raise InputError(
                    f"{member.id}: a sensor of {_by(sample.sensor)} pixels, the network was trained on one of "
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
