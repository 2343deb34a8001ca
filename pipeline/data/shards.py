"""Recordings made into shards on Ray, a task a shard."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from pipeline.data import archives
from pipeline.data.frames import to_frames
from pipeline.data.params import ClusterParams, PreprocessParams
from pipeline.data.progress import progress
from pipeline.data.recordings import Recording, decode, orient
from pipeline.data.store import Row, write_shard
from pipeline.data.windows import windows
from pipeline.errors import InputError
from pipeline.files import write_whole

ONE_SENSOR = "give each size a dataset of its own"


@dataclass(frozen=True, kw_only=True)
class Part:
    """The recordings of one shard, and how to make rows of them."""

    path: Path
    members: list[archives.Member]
    labels: list[int]
    params: PreprocessParams
    orientation: Literal["cifar10-dvs"] | None
    about: dict[str, str]
    """What the shard says of itself."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a finished shard holds; written beside it, last."""

    labels: list[int]
    digests: list[str]
    left_out: int
    """Windows with too few events."""
    sample_shape: list[int]
    sensor_size: int

    @staticmethod
    def of(rows: list[Row], *, left_out: int = 0, sensor_size: int = 0) -> "Summary":
        return Summary(
            labels=[row.label for row in rows],
            digests=[row.digest() for row in rows],
            left_out=left_out,
            sample_shape=list(rows[0].pixels.shape),
            sensor_size=sensor_size,
        )

    @staticmethod
    def together(parts: list["Summary"]) -> "Summary":
        """Several shards as one. Raises InputError if their sensors differ."""
        if len({part.sensor_size for part in parts}) > 1:
            raise InputError(f"the recordings come from sensors of different sizes; {ONE_SENSOR}")
        return Summary(
            labels=[label for part in parts for label in part.labels],
            digests=[digest for part in parts for digest in part.digests],
            left_out=sum(part.left_out for part in parts),
            sample_shape=parts[0].sample_shape,
            sensor_size=parts[0].sensor_size,
        )


def make_shards(dataset: str, parts: list[Part], cluster: ClusterParams) -> None:
    """Makes the shards that are not finished yet, on Ray. Raises InputError."""
    missing = [part for part in parts if not (part.path.exists() and _summary_path(part.path).exists())]
    recordings = sum(len(part.members) for part in parts)
    done = recordings - sum(len(part.members) for part in missing)
    with progress(dataset, total=recordings, unit="recording", initial=done) as bar:
        if missing:
            for part in _on_ray(missing, cluster):
                bar.update(len(part.members))


def _on_ray(parts: list[Part], cluster: ClusterParams) -> Iterator[Part]:
    """Gives each part when its shard is finished."""
    import ray  # takes seconds to import; a dataset of images does without

    from pipeline.data.ray_cluster import connect

    with connect(cluster, most=len(parts)) as workers:
        task, waiting = ray.remote(num_cpus=1)(make_shard), list(parts)
        running: dict[Any, Part] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                part = waiting.pop(0)
                running[task.remote(part)] = part
            (finished,), _ = ray.wait(list(running), num_returns=1)
            _raise_plainly(finished, running[finished])
            yield running.pop(finished)


def _raise_plainly(finished: Any, part: Part) -> None:
    """The user's error of a task as itself, without Ray's account of where it was raised."""
    import ray

    try:
        ray.get(finished)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from None
        raise
    except ray.exceptions.WorkerCrashedError:  # after Ray's own tries: no accident
        first, last = part.members[0].id, part.members[-1].id
        raise InputError(
            f"{first} to {last}: the process that read them died again and again; one of them is damaged in a way that "
            "its decoder does not survive, or the memory is too small"
        ) from None


def make_shard(part: Part) -> None:
    """Writes one shard and its summary. Raises InputError that names the recording."""
    rows, left_out, size = [], 0, 0
    for member, label in zip(part.members, part.labels, strict=True):
        made, skipped, width = _rows(member, label, part)
        if size not in (0, width):
            raise InputError(f"{member.id}: a sensor of {width} pixels, {part.members[0].id} has {size}; {ONE_SENSOR}")
        size = width
        rows += made
        left_out += skipped
    if not rows:
        raise InputError(f"{part.members[0].id}: no window has window.min_events events")
    write_shard(rows, part.path, "frames", part.params.compression, part.about)
    summary = Summary.of(rows, left_out=left_out, sensor_size=size)
    write_whole(_summary_path(part.path), json.dumps(asdict(summary)).encode())


def _rows(member: archives.Member, label: int, part: Part) -> tuple[list[Row], int, int]:
    """Rows of one recording, the number of windows left out, the sensor's size."""
    data, params = archives.read(member), part.params
    assert params.frames is not None, "checked by preprocess"
    assert params.size is not None, "checked by preprocess"
    digest = hashlib.sha256(data).hexdigest()
    recording = orient(decode(data, Path(member.id).suffix, member.id), part.orientation)
    pieces = [(member.id, recording)]
    if params.window is not None:
        pieces = [(f"{member.id}@{name}", piece) for name, piece in windows(recording, params.window)]
    kept = [(name, piece) for name, piece in pieces if params.window is None or len(piece) >= params.window.min_events]
    rows = [
        Row(id=name, label=label, pixels=_framed(name, piece, params.frames, params.size), source_sha256=digest)
        for name, piece in kept
    ]
    return rows, len(pieces) - len(kept), recording.width


def _framed(name: str, piece: Recording, frames: int, size: int) -> npt.NDArray[Any]:
    try:
        return to_frames(piece, frames, size)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def read_summary(part: Part) -> Summary:
    """What a finished shard holds."""
    return Summary(**json.loads(_summary_path(part.path).read_text(encoding="utf-8")))


def _summary_path(shard: Path) -> Path:
    return shard.with_suffix(".json")
