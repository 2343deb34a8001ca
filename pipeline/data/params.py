"""The `datasets` part of params.yaml as strict, frozen, typed values."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import names
from pipeline.errors import InputError
from pipeline.paths import PARAMS

Line = Annotated[str, AfterValidator(names.line)]
Label = Annotated[str, AfterValidator(names.label)]
FileName = Annotated[str, AfterValidator(names.file_name)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of params.yaml: frozen, nothing extra, no type coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CameraParams(Section):
    """The simulated DVS128 of digits-dvs."""

    recordings_per_class: PositiveInt
    """Digits of each class that are recorded, in scikit-learn's order."""
    loops: PositiveInt
    """Times that the digit runs through the closed loop."""
    loop_ms: PositiveInt
    """Duration of one loop (milliseconds)."""
    amplitude_pixels: Annotated[int, Field(ge=1, le=31)]
    """Greatest displacement on the loop (pixels of the sensor)."""
    contrast_threshold: PositiveFloat
    """Change of log intensity that makes an event (natural log units)."""
    threshold_mismatch: Annotated[float, Field(ge=0, lt=0.5)]
    """Standard deviation of the threshold over pixels, as a fraction of it."""
    refractory_us: Annotated[int, Field(ge=0)]
    """Time in which a pixel stays silent after an event (microseconds)."""
    noise_hz: Annotated[float, Field(ge=0)]
    """Background events a pixel and second."""
    seed: Annotated[int, Field(ge=0)]


class DownloadParams(Section):
    """Where a dataset comes from."""

    catalog: str
    """Name of the entry in pipeline/data/catalog.py."""
    source: Line | None
    """A path, a URL or a mirror folder that holds the published file names; null for the published addresses."""
    title: Label | None = None
    """What every report calls the user's own or altered data; a published title is not the user's to change."""
    altered: bool = False
    """true: `source` holds another selection of the data in the published layout; digests and counts are not those
    published, and every report says so."""
    camera: CameraParams | None = None
    """Only for digits-dvs."""


class FolderSplit(Section):
    """Train and test are folders of the dataset."""

    train: FileName
    test: FileName


class WindowParams(Section):
    """Long recordings are cut into windows of one duration, one after another; a shorter rest is left out."""

    ms: PositiveInt
    """Duration of a window (milliseconds)."""
    min_events: PositiveInt
    """A window with fewer events in the part of the sensor that is framed is left out, and counted."""


class PreprocessParams(Section):
    """How a dataset becomes Arrow shards. `frames` and `size` are for recordings, null for images."""

    split: str | FolderSplit
    """Name of a split rule, or the folders that train and test."""
    shards: PositiveInt
    """Files a split is written into; independent of the number of workers."""
    frames: PositiveInt | None
    """T, frames of equal event count."""
    size: PositiveInt | None
    """Height and width of a frame (pixels). Of the sensor the largest centred square of a multiple of it is used."""
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

    address: Annotated[str, Field(pattern=r"^(local|auto|\[?[\w.:-]+\]?:\d+)$")]
    """local: a Ray of our own on this machine; auto or host:port: a running cluster."""
    workers: PositiveInt | Literal["auto"]
    """Processes that train or preprocess; auto: as many as the shards and the CPUs allow."""
    cpus_per_worker: PositiveInt | Literal["threads"]
    """CPUs that a training or evaluating worker reserves, at least its threads; threads: as many as these."""
    gpus_per_worker: Annotated[int, Field(ge=0)]
    storage: Line
    """Where the resume state lies: an absolute path or a URI (file, s3, gs) that every node reaches; relative to the
    repository for a local Ray only."""
    checkpoint_seconds: PositiveInt
    """Time between two checkpoints (seconds); every epoch ends with one."""
    recompute: Literal["nothing", "spikes", "blocks"]
    """What backward computes again instead of keeping it, for less memory: the spikes inside of blocks, or blocks."""

    @model_validator(mode="after")
    def _reached_by_every_node(self) -> "ClusterParams":
        if self.address != "local" and "://" not in self.storage and not Path(self.storage).is_absolute():
            raise ValueError(
                f"storage {self.storage!r} is relative, which is for address local; every node of {self.address} must "
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


Model = TypeVar("Model", bound=BaseModel)


def load_dataset(name: str, path: Path = PARAMS) -> DatasetParams:
    """The checked parameters of one dataset. Raises InputError that names the file and every wrong key."""
    datasets = read_yaml(path).get("datasets") or {}
    validate(DatasetNames, datasets, path, prefix=("datasets",))
    if name not in datasets:
        raise InputError(f"{path}: datasets.{names.shown(name)} is missing; it has {', '.join(datasets) or 'none'}")
    return validate(DatasetParams, datasets[name], path, prefix=("datasets", name))


def load_cluster(path: Path = PARAMS) -> ClusterParams:
    """The checked `cluster` part. Raises InputError that names the file and every wrong key."""
    return validate(ClusterParams, read_yaml(path).get("cluster"), path, prefix=("cluster",))


def read_yaml(path: Path) -> dict[str, Any]:
    """The plain content of a YAML file with a mapping at its top. Raises InputError."""
    try:
        with path.open(encoding="utf-8") as file:
            content = YAML(typ="safe").load(file)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `sresnet use quick` writes it") from None
    except YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values, found {type(content).__name__}")
    return content


def validate(model: type[Model], content: object, path: Path, *, prefix: tuple[str, ...] = ()) -> Model:
    """`content` as `model`. Raises InputError that names `path` and every wrong key under `prefix`."""
    if other := list(names.other_keys(content, prefix)):
        raise InputError(f"{path}: {names.shown(other[0])}: the last part of this key is no text; write it in quotes")
    try:
        # Strict JSON mode: YAML has lists where the values are tuples, and nothing else is coerced.
        return model.model_validate_json(json.dumps(content))
    except TypeError as error:
        raise InputError(f"{path}: a value is of a type that YAML parameters do not use: {error}") from None
    except ValidationError as error:
        lines = [f"{path}: {error.error_count()} problem(s)"]
        for problem in error.errors():
            key = ".".join(str(part) for part in (*prefix, *problem["loc"]) if part != "[key]") or "(file)"
            lines.append(f"  {names.shown(key)}: {problem['msg']}")
        raise InputError("\n".join(lines)) from None
