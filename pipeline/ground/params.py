"""The `datasets` part of params.yaml as strict, frozen, typed values.

Every number has bounds: a value outside is a typing error that would otherwise be noticed after hours, or never.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, model_validator

from models.bounds import Within
from pipeline.ground import names
from pipeline.ground.address import holds_no_keys
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PARAMS, PROFILES
from pipeline.ground.schema import validate
from pipeline.ground.yaml_file import read_yaml

Line = Annotated[str, AfterValidator(names.line)]
Address = Annotated[Line, AfterValidator(holds_no_keys)]
Label = Annotated[str, AfterValidator(names.label)]
FileName = Annotated[str, AfterValidator(names.file_name)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Within(0, 2**63 - 1)]
"""torch and numpy take 64-bit seeds; below 2^63, signed and unsigned readings agree."""


MOST_SHARDS = 10_000
"""Of a split; their names have five digits."""


class Section(BaseModel):
    """A part of params.yaml: frozen, without extra keys or type coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CameraParams(Section):
    """The simulated DVS128 of digits-dvs."""

    recordings_per_class: Annotated[int, Within(1, 174)]
    """Recorded digits per class, in scikit-learn's order; the rarest class has 174."""
    loops: Annotated[int, Within(1, 100)]
    """How often the digit moves through the closed loop. CIFAR10-DVS: 6."""
    loop_ms: Annotated[int, Within(1, 10_000)]
    """Duration of one loop (milliseconds). 100 loops of the maximum fit into AEDAT's 32-bit microseconds."""
    amplitude_pixels: Annotated[int, Within(1, 31)]
    """Maximum displacement on the loop (sensor pixels); with more than 31, the digit leaves the sensor."""
    contrast_threshold: Annotated[float, Within(0.001, 3)]
    """Change of log intensity that triggers an event (natural log). Black to white is 2.6; a DVS128 has 0.1 to 1."""
    threshold_mismatch: Annotated[float, Within(0, 0.49)]
    """Standard deviation of the threshold over pixels, relative to it; with more than 0.49, a threshold can be 0."""
    refractory_us: Annotated[int, Within(0, 1_000_000)]
    """Refractory period of a pixel after an event (microseconds)."""
    noise_hz: Annotated[float, Within(0, 100)]
    """Background events per pixel and second. A DVS128 has about 0.1, somewhat more in the dark."""
    seed: Seed


class DownloadParams(Section):
    """Where a dataset comes from."""

    catalog: str
    """Name of the entry in pipeline/download/catalog.py."""
    source: Address | None
    """A path, a URL, or a mirror folder with the published file names; null for the published addresses. Of catalog
    shards: a path or a URI (file, s3, gs)."""
    title: Label | None = None
    """Title of the user's own or altered data in reports; published datasets keep their title."""
    altered: bool = False
    """true: `source` holds another selection of the data in the published layout, so published digests and counts are
    not checked; every report says so."""
    camera: CameraParams | None = None
    """Only for digits-dvs."""

    @model_validator(mode="after")
    def _folder_or_web_address(self) -> "DownloadParams":
        if self.source and self.source.startswith("~"):
            raise ValueError(f"source is {self.source!r}; ~ is not expanded; write the whole path")
        storage = self.catalog == "shards"  # cluster/storage.py says which URIs it may be
        if self.source and "://" in self.source and not storage and not self.source.startswith(("http://", "https://")):
            raise ValueError(f"source must be a folder or begin with https://, not {self.source!r}")
        return self


class FolderSplit(Section):
    """Train and test are folders of the dataset."""

    train: FileName
    test: FileName

    @model_validator(mode="after")
    def _two_folders(self) -> "FolderSplit":
        if self.train == self.test:
            raise ValueError(f"test is the same folder as train, {self.train!r}; name another")
        return self


class WindowParams(Section):
    """Long recordings are cut into consecutive windows of equal duration; a shorter rest is left out."""

    ms: Annotated[int, Within(1, 3_600_000)]
    """Duration of a window (milliseconds), up to an hour."""
    min_events: Annotated[int, Within(1, 10**9)]
    """A window with fewer events in the framed part of the sensor is left out and counted. A camera produces at most
    about 10^7 events per second."""


class PreprocessParams(Section):
    """How a dataset becomes Arrow shards. `frames` and `size` are for recordings, null for images."""

    split: str | FolderSplit
    """Name of a split rule, or the training and test folders."""
    shards: Annotated[int, Within(1, MOST_SHARDS)]
    """Number of shard files per split; independent of the number of workers."""
    frames: Annotated[int, Within(1, 10_000)] | None
    """T, the number of frames with equal event counts; must equal model.time_steps."""
    size: Annotated[int, Within(1, 4096)] | None
    """Height and width of a frame (pixels). The largest centred square of the sensor with a multiple of this side is
    used; no event camera has 4096."""
    compression: Literal["none", "zstd"]
    """none: memory-mapped without a copy; zstd: smaller, decompressed at each read."""
    window: WindowParams | None
    """Only for the catalog entry `recordings`."""
    sensor: tuple[Annotated[int, Within(1, 32_767)], Annotated[int, Within(1, 32_767)]] | None = None
    """Width and height of the sensor (pixels), if the files do not say them; only for the user's own recordings."""
    stream: Annotated[int, Within(0, 2**31 - 1)] | Label | None = None
    """The stream to use of files that have several: a number in AEDAT 3.1 and 4, a group in HDF5 (prophesee/left); only
    for the user's own recordings."""


class DatasetParams(Section):
    download: DownloadParams
    preprocess: PreprocessParams


class DatasetNames(RootModel[Annotated[dict[names.Name, Any], names.DistinctNames]]):
    """`datasets` with only its keys checked."""


class ClusterParams(Section):
    """Where and how fast it runs; nothing here changes a result."""

    address: Line
    """local: this machine; auto or host:port: a running Ray cluster."""
    workers: Annotated[int, Within(1, 1024)] | Literal["auto"]
    """At most training.micro_batches; auto: as many as there are micro-batches, or Arrow shards to preprocess, limited
    by the CPUs. With address local, auto and 1 are threads of the stage's own process; higher numbers, and auto with
    several GPUs, are processes of a Ray that the stage starts."""
    cpus_per_worker: Annotated[int, Within(1, 1024)] | Literal["threads"]
    """CPUs that a training or evaluating worker reserves, at least training.threads; threads: exactly that many."""
    gpus_per_worker: Annotated[int, Within(0, 16)]
    """A worker computes on one GPU; more are only reserved. The largest machines have 16."""
    storage: Address
    """Where checkpoints are kept: an absolute path or a URI (file, s3, gs) that every node reaches; a path relative to
    the repository only with address local."""
    checkpoint_seconds: Annotated[int, Within(1, 86_400)]
    """Time between two checkpoints (seconds), up to a day; every epoch ends with one."""
    recompute: Literal["nothing", "spikes", "blocks"]
    """What backward recomputes to save memory: nothing, the spikes inside blocks, or whole blocks."""

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
                f"storage must not begin with ~, which is not expanded here: {self.storage!r}; write the full path"
            )
        if self.address != "local" and "://" not in self.storage and not Path(self.storage).is_absolute():
            raise ValueError(
                f"storage is relative, {self.storage!r}, which works only with address local; every node of "
                f"{self.address} must reach it: give an absolute path, or a URI such as s3://bucket/runs"
            )
        return self

    def cpus(self, threads: int) -> int:
        """CPUs that a worker with this number of threads reserves. Raises InputError."""
        if self.cpus_per_worker == "threads":
            return threads
        if self.cpus_per_worker < threads:
            raise InputError(
                f"{PARAMS}: cluster.cpus_per_worker {self.cpus_per_worker} is less than training.threads {threads}; "
                "raise it, or set it to threads"
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
