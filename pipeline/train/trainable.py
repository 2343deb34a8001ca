"""Whether a network can be trained at all, from the sizes of the data: asked before Ray starts."""

from models.config import NetworkConfig
from pipeline.data.store import Manifest
from pipeline.ground.errors import InputError
from pipeline.protocol.config import TrainingConfig

HALVINGS = {"images": 2, "frames": 3}
"""Layers of stride 2 before the last stage: the first of the second and third stages, and of event frames the first."""


def check_trainable(where: str, network: NetworkConfig, training: TrainingConfig, data: Manifest) -> None:
    """Raises InputError that names the key, below `where`, of what cannot be trained on this training split."""
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
    channels = data.sample_shape[-3]
    if training.pixel_mean and len(training.pixel_mean) != channels:
        raise InputError(
            f"{where}.training.pixel_mean: {len(training.pixel_mean)} value(s), as pixel_std, but {data.title} has "
            f"{channels} channel(s); give one a channel"
        )
    if network.normalization != "none":
        _check_variance(where, training, samples, data)


def _check_variance(where: str, training: TrainingConfig, samples: int, data: Manifest) -> None:
    """A normalization needs two values a channel; the fewest are in the last stage, of a batch's smallest part."""
    height, width = (-(-size // 2 ** HALVINGS[data.kind]) for size in data.sample_shape[-2:])
    rest = 0 if training.drop_last else samples % training.batch_size
    for batch, last in ((training.batch_size, False), (rest, True)):
        part = max(1, batch // training.micro_batches)
        if 0 < batch <= samples and part * height * width < 2:
            mend = "set drop_last to true" if last else "raise it"
            raise InputError(
                f"{where}.training.batch_size: {training.batch_size} leaves a {'last ' * last}batch of {batch} of "
                f"{samples} samples, and of that training.micro_batches {training.micro_batches} makes a part of 1; "
                f"with the {height} x {width} pixels of the last stage, normalization has one value a channel, which "
                f"has no variance: {mend}, lower training.micro_batches, or choose another batch_size or larger images"
            )
