"""Checks, before Ray starts, that a network can be trained on data of these sizes."""

from models.config import NetworkConfig
from pipeline.data.store import Manifest
from pipeline.ground.errors import InputError
from pipeline.protocol.config import TrainingConfig

HALVINGS = {"images": 2, "frames": 3}
"""Layers with stride 2: the first of the second and third stages; with event frames, also the network's first layer."""


def check_trainable(where: str, network: NetworkConfig, training: TrainingConfig, data: Manifest) -> None:
    """Raises InputError that names the key, below `where`, that does not fit this training split."""
    if len(data.classes) < 2:
        raise InputError(f"{where}.dataset: {data.title} has one class, {data.classes[0]}; give it a second one")
    held = sum(rows * training.validation_percent // 100 for rows in data.rows_per_class)
    samples = data.rows - held
    if training.validation_percent and not held:
        raise InputError(
            f"{where}.training.validation_percent: {training.validation_percent} holds out no sample of any class of "
            f"{data.title}; the largest class has {max(data.rows_per_class)}: raise it, or set it to 0"
        )
    if training.drop_last and samples < training.batch_size:
        raise InputError(
            f"{where}.training.batch_size: {training.batch_size}, but {data.title} has {samples} samples to train "
            "with, so drop_last leaves out the only batch; lower batch_size, or set drop_last to false"
        )
    check_channels(where, training, data.title, data.sample_shape[-3])
    if network.normalization != "none":
        _check_variance(where, training, samples, data)


def check_channels(where: str, training: TrainingConfig, title: str, channels: int) -> None:
    """Raises InputError that names the key that does not fit samples of so many channels."""
    if training.pixel_mean and len(training.pixel_mean) != channels:
        raise InputError(
            f"{where}.training.pixel_mean: {len(training.pixel_mean)} value(s), like pixel_std, but {title} has "
            f"{channels} channel(s); give one value per channel"
        )
    if training.augmentation == "autoaugment" and channels != 3:
        raise InputError(
            f"{where}.training.augmentation: autoaugment is for images of 3 channels, but {title} has {channels}; "
            "choose crop-flip"
        )


def _check_variance(where: str, training: TrainingConfig, samples: int, data: Manifest) -> None:
    """Raises InputError if a normalization gets fewer than two values per channel.

    The last stage has the fewest values, in the smallest micro-batch of a batch.
    """
    height, width = (-(-size // 2 ** HALVINGS[data.kind]) for size in data.sample_shape[-2:])
    rest = 0 if training.drop_last else samples % training.batch_size
    for batch, last in ((training.batch_size, False), (rest, True)):
        part = max(1, batch // training.micro_batches)
        if 0 < batch <= samples and part * height * width < 2:
            remedy = "set drop_last to true" if last else "raise it"
            raise InputError(
                f"{where}.training.batch_size: {training.batch_size} gives a {'last ' * last}batch of {batch} of "
                f"{samples} samples, and training.micro_batches {training.micro_batches} makes micro-batches of 1; "
                f"with the {height} x {width} pixels of the last stage, normalization has one value per channel, which "
                f"has no variance: {remedy}, lower training.micro_batches, choose another batch_size or larger images"
            )
