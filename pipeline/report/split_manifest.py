"""The split manifest: samples of train, validation and test by content, and duplicates between and within them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.contents import Same, digests, duplicates, read_contents
from pipeline.protocol.sampler import hold_out


@dataclass(frozen=True, kw_only=True)
class SplitManifest:
    """The split of one dataset in one experiment."""

    dataset: str
    samples: dict[str, int]
    digests: dict[str, str]
    duplicates: list[Same]


def split_manifest(dataset: str, folder: Path, validation_percent: int) -> SplitManifest:
    """The manifest of data/arrow/<dataset>; validation is held out of train as in the training. Raises InputError."""
    read = read_contents(folder)
    training, validation = hold_out(np.array([content.label for content in read["train"]]), validation_percent)
    parts = {
        "train": [read["train"][i] for i in training],
        "validation": [read["train"][i] for i in validation],
        "test": read["test"],
    }
    parts = {name: contents for name, contents in parts.items() if contents}
    return SplitManifest(
        dataset=dataset,
        samples={name: len(contents) for name, contents in parts.items()},
        digests=digests(parts),
        duplicates=duplicates(parts),
    )
