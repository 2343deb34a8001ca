"""The `datasets` part of params.yaml as strict, frozen, typed values.

Every number has bounds: what lies outside is a slip of the pen, and would be found after hours, or never.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, model_validator

from models.bounds import Within
from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PARAMS, PROFILES
from pipeline.ground.schema import validate
from pipeline.ground.yaml_file import read_yaml

Line = Annotated[str, AfterValidator(names.line)]
Label = Annotated[str, AfterValidator(names.label)]
FileName = Annotated[str, AfterValidator(names.file_name)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Within(0, 2**63 - 1)]
"""Torch and numpy take 64 bits; up to 63, it is the same number with and without a sign."""


class Section(BaseModel):
    """A part of params.yaml: frozen, nothing extra, no type coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CameraParams(Section):
    """The simulated DVS128 of digits-dvs."""

    recordings_per_class: Annotated[int, Within(1, 174)]
    """Digits of each class that are recorded, in scikit-learn's order; it has 174 of the rarest."""
    loops: Annotated[int, Within(1, 100)]
    """Times that the digit runs through the closed loop. CIFAR10-DVS: 6."""
    loop_ms: Annotated[int, Within(1, 10_000)]
    """Duration of one loop (milliseconds). 100 of the longest end before AEDAT's 32 bits of microseconds do."""
    amplitude_pixels: Annotated[int, Within(1, 31)]
    """Greatest displacement on the loop (pixels of the sensor); with more, the digit leaves the sensor."""
    contrast_threshold: Annotated[float, Within(0.001, 3)]
    """Change of log intensity that makes an event (natural log units). Black to white is 2.6; a DVS128 has 0.1 to 1."""
    threshold_mismatch: Annotated[float, Within(0, 0.49)]
    """Standard deviation of the threshold over pixels, as a fraction of it; with more, a threshold can be 0."""
    refractory_us: Annotated[int, Within(0, 1_000_000)]
    """Time in which a pixel stays silent after an event (microseconds)."""
    noise_hz: Annotated[float, Within(0, 100)]
    """Background events a pixel and second. A DVS128 has about 0.1, in the dark some more."""
    seed: Seed


class DownloadParams(Section):
    """Where a dataset comes from."""

    catalog: str
    """Name of the entry in pipeline/download/catalog.py."""
    source: Line | None
    """A path, a URL or a mirror folder that holds the published file names; null for the published addresses."""
    title: Label | None = None
    """What every report calls the user's own or altered data; a published title is not the user's to change."""
    altered: bool = False
    """true: `source` holds another selection of the data in the published layout; digests and counts are not those
    published, and every report says so."""
    camera: CameraParams | None = None
    """Only for digits-dvs."""

    @model_validator(mode="after")
    def _folder_or_web_address(self) -> "DownloadParams":
        if self.source and "://" in self.source and not self.source.startswith(("http://", "https://")):
            raise ValueError(f"source must be a folder or begin with https://, not {self.source!r}")
        return self


class FolderSplit(Section):
    """Train and test are folders of the dataset."""

    train: FileName
    test: FileName

    @model_validator(mode="after")
    def _two_folders(self) -> "FolderSplit":
        if self.train == self.test:
            raise ValueError(f"test is the folder that trains, {self.train!r}; name another")
        return self


class WindowParams(Section):
    """Long recordings are cut into windows of one duration, one after another; a shorter rest is left out."""

    ms: Annotated[int, Within(1, 3_600_000)]
    """Duration of a window (milliseconds), up to an hour."""
    min_events: Annotated[int, Within(1, 10**9)]
    """A window with fewer events in the part of the sensor that is framed is left out, and counted. A camera makes
    some 10^7 events a second at most."""


class PreprocessParams(Section):
    """How a dataset becomes Arrow shards. `frames` and `size` are for recordings, null for images."""

    split: str | FolderSplit
    """Name of a split rule, or the folders that train and test."""
    shards: Annotated[int, Within(1, 10_000)]
    """Files a split is written into; independent of the number of workers. Their names have five digits."""
    frames: Annotated[int, Within(1, 10_000)] | None
    """T, frames of equal event count; as many as model.time_steps."""
    size: Annotated[int, Within(1, 4096)] | None
    """Height and width of a frame (pixels). Of the sensor the largest centred square of a multiple of it is used; no
    event camera has 4096."""
    compression: Literal["none", "zstd"]
    """none: memory-mapped without a copy; zstd: smaller, decompressed at each read."""
    window: WindowParams | None
    """Only for `recordings`."""


class DatasetParams(Section):
    download: DownloadParams
    preprocess: PreprocessParams


class DatasetNames(RootModel[Annotated[dict[names.Name, Any], names.DistinctNames]]):
    """The keys of `datasets` alone."""


class ClusterParams(Section):
    """Where and how fast; never what comes out."""

    address: Line
    """local: this machine; auto or host:port: a running Ray cluster."""
    workers: Annotated[int, Within(1, 1024)] | Literal["auto"]
    """At most as many as training.micro_batches; auto: as many as there are micro-batches, or Arrow shards to
    preprocess, and as the CPUs allow. With address local, auto and 1 are threads of the stage's own process; more, and
    auto with several GPUs, are processes of a Ray that the stage starts."""
    cpus_per_worker: Annotated[int, Within(1, 1024)] | Literal["threads"]
    """CPUs that a training or evaluating worker reserves, at least its threads; threads: as many as these."""
    gpus_per_worker: Annotated[int, Within(0, 16)]
    """A worker computes on one; more are only reserved. The largest machines have 16."""
    storage: Line
    """Where the resume state lies: an absolute path or a URI (file, s3, gs) that every node reaches; relative to the
    repository for a local Ray only."""
    checkpoint_seconds: Annotated[int, Within(1, 86_400)]
    """Time between two checkpoints (seconds), up to a day; every epoch ends with one."""
    recompute: Literal["nothing", "spikes", "blocks"]
    """What backward computes again instead of keeping it, for less memory: the spikes inside of blocks, or blocks."""

    @model_validator(mode="after")
    def _a_port_that_exists(self) -> "ClusterParams":
        found = re.fullmatch(r"local|auto|(\[[\w:.%-]+\]|[\w.-]+):(\d{1,5})", self.address, re.ASCII)
        if not found or (found[2] and not 1 <= int(found[2]) <= 65_535):
            raise ValueError(f"address must be local, auto or host:port, a port from 1 to 65535, not {self.address!r}")
        return self

    @model_validator(mode="after")
    def _reached_by_every_node(self) -> "ClusterParams":
        if self.storage.startswith("~"):
            raise ValueError(
                f"storage must not begin with ~, which is not replaced here: {self.storage!r}; write it out"
            )
        if self.address != "local" and "://" not in self.storage and not Path(self.storage).is_absolute():
            raise ValueError(
                f"storage is relative, {self.storage!r}, which is for address local; every node of {self.address} must "
                "reach it: an absolute path, or a URI such as s3://bucket/runs"
            )
        return self

    def cpus(self, threads: int) -> int:
        """CPUs that a worker of so many threads reserves. Raises InputError."""
        if self.cpus_per_worker == "threads":
            return threads
        if self.cpus_per_worker < threads:
            raise InputError(
                f"{PARAMS}: cluster.cpus_per_worker {self.cpus_per_worker} is less than training.threads {threads}; "
                "raise it, or say threads"
            )
        return self.cpus_per_worker


def load_dataset(name: str, path: Path = PARAMS) -> DatasetParams:
    """The checked parameters of one dataset. Raises InputError that names the file and every wrong key."""
    datasets = read_params(path).get("datasets")
    found = validate(DatasetNames, datasets, path, prefix=("datasets",)).root
    if name not in found:
        raise InputError(f"{path}: datasets.{names.shown(name)} is missing; it has {', '.join(found)}")
    return validate(DatasetParams, found[name], path, prefix=("datasets", name))


def load_cluster(path: Path = PARAMS) -> ClusterParams:
    """The checked `cluster` part. Raises InputError that names the file and every wrong key."""
    return validate(ClusterParams, read_params(path).get("cluster"), path, prefix=("cluster",))


def read_params(path: Path) -> dict[str, Any]:
    """The plain content of a params.yaml or a profile; only profiles may share values. Raises InputError."""
    return read_yaml(path, "`sresnet use quick` writes it", shared=path.resolve().parent == PROFILES)
