"""How a network is trained: one frozen value without defaults, so that nothing changes a number unseen."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from models.config import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The protocol of one training. The authors' value stands with each field (their train.py and README)."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "strict": True}

    epochs: int
    """Passes over the training set. Authors: 70."""
    batch_size: int
    """Samples of one optimizer step, over all logical shards. Authors: 21."""
    shards: int
    """Logical shards of a batch: statistics belong to a shard, so this number changes results. Authors: 1."""
    threads: int
    """CPU threads that compute one shard; the order of additions inside a convolution depends on it."""
    learning_rate: float
    """Initial learning rate of SGD. Authors: 0.026844."""
    momentum: float
    """Authors: 0.9."""
    weight_decay: float
    """On all parameters, those of the normalization too. Authors: 1e-4."""
    decay_after: tuple[int, ...]
    """Percent of the epochs after which the learning rate is divided by 10. Authors: 70, 80, 90."""
    drop_last: bool
    """Leave out the last, smaller batch of an epoch. Authors: true."""
    loss: Literal["cross-entropy", "tet"]
    """What is made small (loss.py). Authors: cross-entropy of the logits."""
    tet_lambda: float
    """Weight of tet's regularization, in [0, 1]; 0 with cross-entropy, which has none."""
    augmentation: Literal["none", "crop-flip"]
    """crop-flip: random crop with 4 pixels of zero padding, random horizontal flip. Authors: CIFAR only."""
    pixel_mean: tuple[float, ...]
    """Per channel, of full scale, subtracted from images; empty for event frames."""
    pixel_std: tuple[float, ...]
    """Per channel, of full scale; images are divided by it; empty for event frames."""
    selection: Literal["last", "best-validation"]
    """Which epoch's weights are the result. Authors: the best on the test set, which is never ours."""
    validation_percent: int
    """Percent of each class of the training set that is held out for validation; 0 for none."""
    test_each_epoch: bool
    """Also score the test set after each epoch, by the authors' protocol, for the record only."""

    def __post_init__(self) -> None:
        _check_numbers(self)
        if not 0 <= self.tet_lambda <= 1 or (self.loss == "cross-entropy" and self.tet_lambda != 0):
            raise ValueError(f"tet_lambda must lie in [0, 1], and be 0 with loss cross-entropy, not {self.tet_lambda}")
        if self.batch_size < self.shards:
            raise ValueError(f"batch_size {self.batch_size} is smaller than the number of shards, {self.shards}")
        if any(not 0 < percent <= 100 for percent in self.decay_after):
            raise ValueError(f"decay_after must lie in 1 to 100 percent, not {list(self.decay_after)}")
        if any(deviation <= 0 for deviation in self.pixel_std):
            raise ValueError(f"pixel_std must be above 0, not {list(self.pixel_std)}")
        if not 0 <= self.validation_percent <= 50:
            raise ValueError(f"validation_percent must lie in 0 to 50, not {self.validation_percent}")
        if self.selection == "best-validation" and self.validation_percent == 0:
            raise ValueError("selection best-validation needs validation_percent above 0")
        if len(self.pixel_mean) != len(self.pixel_std):
            raise ValueError("pixel_mean and pixel_std must have one value a channel each")


def _check_numbers(config: TrainingConfig) -> None:
    """Raises ValueError for a number outside of its range."""
    for name in ("epochs", "batch_size", "shards", "threads"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(config, name)}")
    if config.learning_rate <= 0 or config.weight_decay < 0 or not 0 <= config.momentum < 1:
        raise ValueError("expected learning_rate above 0, weight_decay of 0 or more, momentum in [0, 1)")


def check_together(network: NetworkConfig, training: TrainingConfig) -> None:
    """Raises ValueError for a network that cannot be trained so."""
    if training.loss == "tet" and network.readout not in ("mean-voltage", "boosting"):
        raise ValueError(
            f"loss tet averages over the time steps, so model.readout must be mean-voltage or boosting, "
            f"not {network.readout}"
        )
