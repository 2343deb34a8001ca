"""One training as plain frozen values: what a worker is sent."""

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
    """Folder of all resume states."""
    checkpoint_seconds: int
    recompute: Recompute
    bands: Bands | None = None
    """Of recorded trainings of this recipe. Each epoch is compared with them; they change nothing."""

    def train_store(self) -> Store:
        return Store(self.data, "train")

    @cached_property
    def identity(self) -> str:
        """Computed once and sent with the job: code that is edited meanwhile must not change the name of a training."""
        splits: tuple[Split, ...] = ("train", "test") if self.training.test_each_epoch else ("train",)
        digests = tuple(Store(self.data, split).digest for split in splits)
        return run_identity(self.network, self.training, self.seed, digests)

    def checkpoint(self) -> Path:
        """Folder of this training's states, in one named by all that can change its result."""
        return self.runs / f"{self.name}-{self.identity}" / "checkpoints"

    def moved(self, data: Path, runs: Path) -> "Job":
        """The same training where its folders lie elsewhere."""
        return self._of_the_same_name(replace(self, data=data, runs=runs))

    def compared(self, bands: Bands) -> "Job":
        """The same training, each epoch of which is compared with recorded ones."""
        return self._of_the_same_name(replace(self, bands=bands))

    def _of_the_same_name(self, job: "Job") -> "Job":
        job.__dict__["identity"] = self.identity
        return job

    def log(self) -> Path:
        """The progress lines of this training."""
        return self.checkpoint().with_name("log.txt")

    def platforms(self) -> Path:
        """What computed this training: a line for each kind of processor that took part."""
        return self.checkpoint().with_name("platforms.txt")

    def build(self) -> SResNet:
        """The untrained network for this data; its weights are not yet drawn."""
        store = self.train_store()
        frames = store.kind == "frames"
        channels, height, width = store.sample_shape[-3:]
        return SResNet(self.network, input_shape=(channels, height, width), classes=len(store.classes), frames=frames)
