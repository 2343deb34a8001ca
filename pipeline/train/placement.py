"""Where workers find a training's files when they may run on other machines than the driver."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.cluster.staging import Shipment, node_folder, publish, stage
from pipeline.cluster.storage import Storage, is_uri, open_storage
from pipeline.ground.params import ClusterParams
from pipeline.protocol.hardware import computed_by, note_processor
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.mirror import mirrored, pull, push

STATE = "state"
"""Folder of the checkpoints, below a training's key in storage."""
PLATFORMS = "platforms"
"""Folder of the processors' descriptions, one file per kind, below a training's key in storage."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a worker gets data and checkpoints; None: from the driver's folders, on the same machine."""

    data: Shipment | None
    state: Storage | None

    @contextmanager
    def mirrored(self, job: Job, rank: int, say: Callable[[str], None]) -> Iterator[None]:
        """Within the block, mirrors the first worker's checkpoints to storage. Raises InputError."""
        if self.state is None or rank:
            yield
            return
        with mirrored(job.checkpoint(), self.state, f"{key(job)}/{STATE}", say):
            yield

    def here(self, job: Job) -> Job:
        """The training with this node's folders, after fetching data and the newest checkpoints to its disk."""
        data = stage(self.data) if self.data else job.data
        moved = job.moved(data, node_folder() / "runs" if self.state else job.runs)
        if self.state:
            pull(self.state, f"{key(job)}/{STATE}", moved.checkpoint(), exactly=True)
        return moved

    def note_processor(self, job: Job, device: torch.device) -> None:
        """Adds this worker's processor to the list of those that computed the training."""
        if self.state is None:
            note_processor(job.platforms(), device, job.network.precision)
            return
        line = computed_by(device, job.network.precision).encode()
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(line)
            self.state.put(Path(file.name), f"{key(job)}/{PLATFORMS}/{hashlib.sha256(line).hexdigest()[:16]}.txt")

    def download(self, job: Job) -> None:
        """Copies checkpoints and the list of processors from storage into the driver's folders. Raises InputError."""
        if self.state is None:
            return
        pull(self.state, f"{key(job)}/{STATE}", job.checkpoint())
        with tempfile.TemporaryDirectory() as temporary:
            pull(self.state, f"{key(job)}/{PLATFORMS}", Path(temporary))
            lines = {path.read_text(encoding="utf-8") for path in Path(temporary).glob("*.txt")}
        path = job.platforms()
        have = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
        if lines - have:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in sorted(lines - have))


def already_finished(job: Job, cluster: ClusterParams) -> bool:
    """Whether the training has finished, here or in storage; copies its checkpoints from there. Raises InputError."""
    if finished(job) is None and (cluster.address != "local" or is_uri(cluster.storage)):
        Placement(data=None, state=open_storage(cluster.storage)).download(job)
    return finished(job) is not None


def publish_job(job: Job, cluster: ClusterParams) -> Placement:
    """Uploads the data if workers may be on other machines, and the checkpoints of a training that started here.

    Raises InputError.
    """
    far = cluster.address != "local"
    state = open_storage(cluster.storage) if far or is_uri(cluster.storage) else None
    if state and not state.list(f"{key(job)}/{STATE}"):
        push(job.checkpoint(), state, f"{key(job)}/{STATE}", {})
    splits = ("train", "test") if job.training.test_each_epoch else ("train",)
    files = [path for split in splits for path in job.data.glob(f"{split}*")]
    return Placement(data=publish(files, state) if far and state else None, state=state)


def key(job: Job) -> str:
    """Prefix of a training's files in storage."""
    return f"{job.name}-{job.identity}"
