"""The training configuration: one frozen value without defaults, so that no hidden setting changes a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from models.bounds import STRICT, Within, check_bounds
from models.config import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The protocol of one training. Fields give the authors' values (from their train.py and README)."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    epochs: Annotated[int, Within(1, 100_000)]
    """Passes over the training set. Authors: 70. More than the bound is assumed to be a typing error."""
    batch_size: Annotated[int, Within(1, 65_536)]
    """Samples per optimizer step, over all micro-batches. Authors: 21. LARS (You et al. 2017) uses up to 32,768."""
    micro_batches: Annotated[int, Within(1, 1024)]
    """Micro-batches per batch. Each has its own batch statistics, so this number changes results. Authors: 1."""
    threads: Annotated[int, Within(1, 1024)]
    """CPU threads per micro-batch; changes results, because the summation order in a convolution depends on it."""
    learning_rate: Annotated[float, Within(1e-9, 1000)]
    """Initial learning rate of SGD. Authors: 0.026844. Below the lower bound, float32 weights would not change."""
    schedule: Literal["steps", "cosine"]
    """How the learning rate falls from epoch to epoch (sampler.py). Authors: steps."""
    warmup_epochs: Annotated[int, Within(0, 100_000)]
    """Epochs at the start in which the learning rate rises linearly; 0 for none. Authors: 0."""
    momentum: Annotated[float, Within(0, 0.9999)]
    """Momentum of SGD. Authors: 0.9. With 0.9999, a gradient acts for about 10,000 steps; with 1, forever."""
    nesterov: bool
    """Nesterov's momentum, as Sutskever et al. 2013 write it. Authors: false."""
    weight_decay: Annotated[float, Within(0, 10)]
    """Applied to all parameters, including those of the normalization. Authors: 1e-4."""
    decay_after: Annotated[tuple[int, ...], Within(1, 100)]
    """Percent of the epochs after which the learning rate is divided by 10, ascending; empty with schedule
    cosine. Authors: 70, 80, 90."""
    drop_last: bool
    """Leave out the last, smaller batch of an epoch. Authors: true."""
    loss: Literal["cross-entropy", "tet"]
    """The loss (loss.py). Authors: cross-entropy of the logits."""
    tet_lambda: Annotated[float, Within(0, 1)]
    """Weight of tet's regularization term; must be 0 with cross-entropy, which has none."""
    label_smoothing: Annotated[float, Within(0, 0.9)]
    """Share of a label that is spread over all classes in the cross-entropy, of each step with tet. Szegedy et al.,
    "Rethinking the Inception Architecture for Computer Vision" (2016). Authors: 0."""
    distillation: Annotated[float, Within(0, 100)]
    """Weight of the self-distillation from the surest time step to the least sure one (loss.py); 0 for none.
    Authors: 0."""
    augmentation: Literal["none", "crop-flip", "autoaugment", "nda"]
    """crop-flip: random crop with 4 pixels of zero padding, random horizontal flip; authors: for CIFAR. autoaugment:
    the same, then AutoAugment's policy for CIFAR and a cutout in the mean colour, for images of three channels. nda:
    flip, roll, rotation, shear and cutout of event frames."""
    pixel_mean: Annotated[tuple[float, ...], Within(0, 1)]
    """Mean per channel, subtracted from images, on a scale of 0 to 1 (not 255); empty for event frames."""
    pixel_std: Annotated[tuple[float, ...], Within(0.001, 1)]
    """Standard deviation per channel, by which images are divided, on the same scale; empty for event frames."""
    average_decay: Annotated[float, Within(0, 0.99999)]
    """Decay of the exponential average of the weights over the steps (average.py); 0 for none. If it is above 0, the
    averaged weights are scored and are the result. Authors: 0."""
    statistics: Literal["running", "recomputed"]
    """The statistics with which normalizations evaluate: running averages over the steps, or computed anew over the
    training samples with the final weights (recomputed.py). Authors: running."""
    selection: Literal["last", "best-validation"]
    """Which epoch's weights are the result. Authors: the best on the test set, which is not offered here."""
    validation_percent: Annotated[int, Within(0, 50)]
    """Percent of each class of the training set held out for validation; 0 for none."""
    test_each_epoch: bool
    """Also score the test set after each epoch, by the authors' protocol, for the record only."""

    def __post_init__(self) -> None:
        check_bounds(self)
        for reason in self._refusals():
            raise ValueError(reason)

    def _refusals(self) -> list[str]:
        """Why these values cannot be combined; empty if they can."""
        means, deviations = len(self.pixel_mean), len(self.pixel_std)
        full = self.epochs * min(self.decay_after, default=100) // 100
        refusals = {
            f"tet_lambda must be 0 with loss cross-entropy, not {self.tet_lambda}": (
                self.loss == "cross-entropy" and self.tet_lambda != 0
            ),
            f"batch_size {self.batch_size} is smaller than micro_batches, {self.micro_batches}": (
                self.batch_size < self.micro_batches
            ),
            f"decay_after must be strictly ascending, not {list(self.decay_after)}": (
                list(self.decay_after) != sorted(set(self.decay_after))
            ),
            f"decay_after must be empty with schedule cosine, not {list(self.decay_after)}": (
                self.schedule == "cosine" and bool(self.decay_after)
            ),
            f"warmup_epochs must be smaller than epochs, {self.epochs}, not {self.warmup_epochs}": (
                self.warmup_epochs >= self.epochs
            ),
            f"warmup_epochs must be at most {full}, not {self.warmup_epochs}: with decay_after {list(self.decay_after)}"
            " no epoch would have the whole learning rate": (self.schedule == "steps" and self.warmup_epochs > full),
            "nesterov needs momentum above 0; raise it, or set nesterov to false": self.nesterov and self.momentum == 0,
            "selection best-validation needs validation_percent above 0": (
                self.selection == "best-validation" and self.validation_percent == 0
            ),
            f"pixel_mean has {means} value(s) and pixel_std {deviations}; both need one per channel": (
                means != deviations
            ),
        }
        return [reason for reason, holds in refusals.items() if holds]


def check_together(network: NetworkConfig, training: TrainingConfig) -> None:
    """Raises ValueError if the network cannot be trained with this configuration."""
    if training.statistics == "recomputed" and network.normalization == "none":
        raise ValueError("statistics recomputed needs a normalization, but model.normalization is none; choose running")
    if training.distillation and network.time_steps < 2:
        raise ValueError("distillation compares time steps, but model.time_steps is 1; set distillation to 0")
    for each, what in ((training.loss == "tet", "loss tet"), (training.distillation, "distillation")):
        if each and network.readout not in ("mean-voltage", "boosting"):
            raise ValueError(
                f"{what} takes the currents of each time step as logits, so model.readout must be mean-voltage or "
                f"boosting, not {network.readout}"
            )


LATER: Mapping[str, Any] = MappingProxyType(
    {
        "schedule": "steps",
        "warmup_epochs": 0,
        "nesterov": False,
        "label_smoothing": 0.0,
        "distillation": 0.0,
        "average_decay": 0.0,
        "statistics": "running",
    }
)
"""Values that came after the first committed records, with the authors' choice, which those trainings had."""


def recorded_training(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recorded training; one that it lacks was the authors' choice."""
    return {**LATER, **stored}
