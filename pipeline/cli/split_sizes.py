"""Number and shape of the training samples of a dataset, also before it is preprocessed."""

from typing import NamedTuple

from pipeline.cli.preprocessed import training_split
from pipeline.data.store import Manifest
from pipeline.ground.errors import InputError
from pipeline.ground.params import DatasetParams
from pipeline.protocol.params import Params


class SplitSize(NamedTuple):
    """The properties of a split that the time of a training depends on."""

    samples: int
    """Number of samples of the training split."""
    shape: tuple[int, ...]
    """Shape of a sample: (C, H, W), or (T, 2, H, W)."""
    classes: int


_PUBLISHED = {
    "digits": SplitSize(1_442, (1, 32, 32), 10),
    "digits-dvs": SplitSize(8, (2, 128, 128), 10),  # for one recording per class: 8 for training, 2 for testing
    "cifar10": SplitSize(50_000, (3, 32, 32), 10),
    "cifar100": SplitSize(50_000, (3, 32, 32), 100),
    "cifar10-dvs": SplitSize(9_000, (2, 128, 128), 10),
    "cifar10-dvs-aedat4": SplitSize(9_000, (2, 128, 128), 10),
    "nmnist": SplitSize(60_000, (2, 34, 34), 10),
    "dvs-gesture": SplitSize(1_077, (2, 128, 128), 11),
}
"""Sizes by catalog entry, for data that are not preprocessed yet. Shapes of recordings lack the frames."""


def unknown_sizes(params: Params) -> list[str]:
    """Names of the runs' datasets whose number and shape of samples are unknown until they are preprocessed."""
    datasets = {run.dataset: params.datasets[run.dataset] for run in params.runs.values()}
    return [name for name, one in datasets.items() if not _preprocessed(name, one) and _published(one) is None]


def _preprocessed(name: str, dataset: DatasetParams) -> Manifest | None:
    return training_split(name, dataset.model_dump(mode="json", exclude_unset=True))


def _published(dataset: DatasetParams) -> SplitSize | None:
    """The published size; None if the user altered the data or the catalog entry has none."""
    return None if dataset.download.altered else _PUBLISHED.get(dataset.download.catalog)


def split_size(name: str, dataset: DatasetParams) -> SplitSize:
    """The size of the preprocessed data if params.yaml describes them, else the published size.

    Raises InputError if it is unknown.
    """
    if split := _preprocessed(name, dataset):
        return SplitSize(split.rows, tuple(split.sample_shape), len(split.classes))
    entry = _published(dataset)
    if entry is None:
        raise InputError(
            f"datasets.{name}: how many samples of which shape is not known before it is preprocessed; "
            f"run `dvc repro preprocess@{name}` first"
        )
    camera = dataset.download.camera
    entry = entry._replace(samples=entry.samples * (camera.recordings_per_class if camera else 1))
    frames, size = dataset.preprocess.frames, dataset.preprocess.size
    return entry if frames is None or size is None else entry._replace(shape=(frames, 2, size, size))
