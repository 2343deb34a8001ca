"""One training as plain frozen values, which are sent to each worker."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from models.config import NetworkConfig
from models.sresnet import Recompute, SResNet
from pipeline.data.store import Split, Store
from pipeline.protocol.bands import Bands
from pipeline.protocol.config import TrainingConfig
from pipeline.train.identity import run_identity


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to train on a dataset with a seed; paths are absolute and reachable from every worker."""

    name: str
    """As in params.yaml: <experiment>-<seed>."""
    network: NetworkConfig
    training: TrainingConfig
    seed: int
    data: Path
    """Folder of the Arrow shards."""
    runs: Path
    """Parent folder of the trainings' checkpoints and logs."""
    checkpoint_seconds: int
    recompute: Recompute
    bands: Bands | None = None
    """Bands of recorded trainings of this recipe; an epoch outside them is a warning. They do not affect the result."""
    until: int | None = None
    """Stop after this epoch, with its checkpoint; None: after the last. It does not affect the result."""

    @property
    def stops_after(self) -> int:
        """Number of finished epochs at which it stops."""
        return min(self.until or self.training.epochs, self.training.epochs)

    def train_store(self) -> Store:
        return Store(self.data, "train")

    @cached_property
    def identity(self) -> str:
        """Computed once and sent with the job, so that editing code meanwhile does not rename the training."""
        splits: tuple[Split, ...] = ("train", "test") if self.training.test_each_epoch else ("train",)
        digests = tuple(Store(self.data, split).digest for split in splits)
        return run_identity(self.network, self.training, self.seed, digests)

    def checkpoint(self) -> Path:
        """Folder of this training's checkpoints; its parent is named by a digest of all that can change the result."""
        return self.runs / f"{self.name}-{self.identity}" / "checkpoints"

    def moved(self, data: Path, runs: Path) -> "Job":
        """The same training with other folders."""
        return self._with_this_identity(replace(self, data=data, runs=runs))

    def stopped(self, until: int) -> "Job":
        """The same training, up to the end of that epoch."""
        return self._with_this_identity(replace(self, until=until))

    def compared(self, bands: Bands) -> "Job":
        """The same training, with each epoch compared with the bands of recorded ones."""
        return self._with_this_identity(replace(self, bands=bands))

    def _with_this_identity(self, job: "Job") -> "Job":
        job.__dict__["identity"] = self.identity
        return job

    def log(self) -> Path:
        """The progress lines of this training."""
        return self.checkpoint().with_name("log.txt")

    def traceback(self) -> Path:
        """The traceback of the error that ended this training, if it was a mistake in code or values."""
        return self.checkpoint().with_name("traceback.txt")

    def platforms(self) -> Path:
        """The processors that computed this training, one line per kind."""
        return self.checkpoint().with_name("platforms.txt")

    def build(self) -> SResNet:
        """The network for this data, with its weights not yet initialized."""
        store = self.train_store()
        frames = store.kind == "frames"
        channels, height, width = store.sample_shape[-3:]
        return SResNet(self.network, input_shape=(channels, height, width), classes=len(store.classes), frames=frames)
