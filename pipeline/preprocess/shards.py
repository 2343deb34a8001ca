"""Converts recordings into shards, in this process or with one Ray task per shard."""

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pyarrow.fs import FileInfo

from pipeline.cluster.storage import Storage
from pipeline.cluster.workers import in_this_process, workers_here
from pipeline.data.counts import check, total
from pipeline.data.store import Content, Row, Written, write_shard
from pipeline.download.listing import Member, read_member
from pipeline.ground.errors import InputError, RecordingError
from pipeline.ground.files import write_whole
from pipeline.ground.params import ClusterParams, PreprocessParams
from pipeline.ground.progress import progress
from pipeline.preprocess.parquet_events import EventRow, RowReader, digest_of_events
from pipeline.preprocess.recordings import Orientation
from pipeline.preprocess.samples import FramedSample, reading_of, samples_of, samples_of_recording
from pipeline.preprocess.scatter import Buffer
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.stored import AHEAD, StoredMember, read_ahead

if TYPE_CHECKING:
    from pipeline.cluster.check import Software

ONE_SENSOR = "make a separate dataset for each size"
RAY_SECONDS = 20.0
"""Time to start a local Ray, on two cores."""
SHORT_SECONDS = 1.0
"""How long running tasks may take to end by themselves after an error."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The recordings of one shard, and how to convert them into rows."""

    target: Storage
    name: str
    """File name of the shard in `target`."""
    members: Sequence[Member | StoredMember | EventRow]
    labels: list[int]
    params: PreprocessParams
    orientation: Orientation
    about: dict[str, str]
    """Metadata of the shard."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Description of a finished shard; written beside it, after it."""

    labels: list[int]
    digests: list[str]
    contents: list[Content]
    counts: dict[str, dict[str, int]]
    """Counts found, used and left out (data/counts.py), by label as a string, since JSON keys are strings."""
    sample_shape: list[int]
    sensor: list[int]
    """Width and height; empty for images."""
    size: int = 0
    """Size (bytes) of the shard's file; 0 of rows that are not one file of ours."""

    @staticmethod
    def of(
        rows: list[Written],
        *,
        counts: dict[str, dict[str, int]] | None = None,
        sensor: tuple[int, ...] = (),
        size: int = 0,
    ) -> "Summary":
        return Summary(
            labels=[row.label for row in rows],
            digests=[row.digest for row in rows],
            contents=[Content(row.id, row.label, row.source_sha256, row.content) for row in rows],
            counts=counts or {},
            sample_shape=list(rows[0].shape),
            sensor=list(sensor),
            size=size,
        )

    @staticmethod
    def together(parts: list["Summary"]) -> "Summary":
        """The summary of several shards. Raises RecordingError if their sensors differ."""
        if len(sensors := {tuple(part.sensor) for part in parts}) > 1:
            sizes = ", ".join(f"{width} x {height}" for width, height in sorted(sensors))
            raise RecordingError(f"the recordings come from sensors of different sizes, {sizes}; {ONE_SENSOR}")
        labels = dict.fromkeys(label for part in parts for label in part.counts)
        return Summary(
            labels=[label for part in parts for label in part.labels],
            digests=[digest for part in parts for digest in part.digests],
            contents=[content for part in parts for content in part.contents],
            counts={label: total(part.counts.get(label, {}) for part in parts) for label in labels},
            sample_shape=parts[0].sample_shape,
            sensor=parts[0].sensor,
        )


def make_shards(dataset: str, parts: list[Part], cluster: ClusterParams) -> None:
    """Makes the shards that are not finished yet. Raises InputError."""
    there = parts[0].target.list("")
    with ThreadPoolExecutor(AHEAD) as pool:
        finished = pool.map(lambda part: _is_finished(part, there), parts)
    missing = [part for part, done in zip(parts, finished, strict=True) if not done]
    recordings = sum(len(part.members) for part in parts)
    done = recordings - sum(len(part.members) for part in missing)
    with progress(dataset, total=recordings, unit="recordings", initial=done) as bar:
        if missing:
            for part in one_by_one(missing, cluster):
                bar.update(len(part.members))


def _is_finished(part: Part, there: Mapping[str, FileInfo]) -> bool:
    """Whether the summary can be read, and the shard has the size that it states; else both are made again."""
    if not {part.name, _summary_name(part)} <= there.keys():
        return False
    try:
        return read_summary(part).size == there[part.name].size
    except (ValueError, TypeError, KeyError):  # truncated, or not ours
        return False


def one_by_one(parts: list[Part], cluster: ClusterParams) -> Iterator[Part]:
    """Yields each part when its shard is finished. Starts in this process; switches to Ray if that would be faster."""
    cluster = cluster.model_copy(update={"gpus_per_worker": 0})  # preprocessing uses only CPUs
    done, workers = 0, workers_here(cluster, len(parts), 1)
    while in_this_process(cluster) and done < len(parts):
        began = time.monotonic()
        make_shard(parts[done])
        yield parts[done]
        done += 1
        if (time.monotonic() - began) * (len(parts) - done) * (1 - 1 / workers) > RAY_SECONDS:
            break
    if parts[done:]:
        yield from _on_ray(parts[done:], cluster)


def _on_ray(parts: list[Part], cluster: ClusterParams) -> Iterator[Part]:
    """Yields each part when its shard is finished."""
    import ray  # takes seconds to import; datasets of images do not need it

    from pipeline.cluster.check import check_reads, software
    from pipeline.cluster.session import connect

    with connect(cluster, most=len(parts), **_places(parts[0])) as workers:
        if cluster.address != "local" and isinstance(first := parts[0].members[0], StoredMember):
            check_reads(first.storage, first.key)
        expected = software() if cluster.address != "local" else None
        task, waiting = ray.remote(num_cpus=1)(_on_node), deque(parts)
        running: dict[Any, Part] = {}
        try:
            while waiting or running:
                while waiting and len(running) < workers:  # no more: a task's recordings are sent with it
                    part = waiting.popleft()
                    running[task.remote(make_shard, part, expected)] = part
                (finished,), _ = ray.wait(list(running), num_returns=1)
                _raise_cause(finished, running[finished])
                yield running.pop(finished)
        finally:
            _end(list(running))


def _end(running: list[Any]) -> None:
    """Waits for the tasks or cancels them: after an error, none may go on writing while the next run starts.

    Ray aborts this process if a task ends just when it is cancelled (ray-project/ray#54798 mended one of the ways), so
    the short ones get the time to end.
    """
    import ray

    if not running:
        return
    _, left = ray.wait(running, num_returns=len(running), timeout=SHORT_SECONDS)
    for one in left:
        ray.cancel(one, force=True)
    if left:
        ray.wait(left, num_returns=len(left))


def _places(part: Part) -> dict[str, Any]:
    """Where the workers write, for `connect`: a stage's folder, or the target of a conversion."""
    if isinstance(part.members[0], StoredMember):
        return {"storage": part.target}
    return {"shared": part.target.local()}


def _raise_cause(finished: Any, part: Part) -> None:
    """Raises the original InputError or OSError of a failed task, without Ray's wrapper and traceback."""
    import ray

    try:
        ray.get(finished)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError | OSError):  # bad input, or a disk error
            raise error.cause from None
        raise
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.NodeDiedError,
    ):  # Ray has already retried, so it is not transient
        first, last = part.members[0].id, part.members[-1].id
        raise InputError(
            f"{first} to {last}: the process that read them died repeatedly; one of them is damaged so that the "
            "decoder crashes, or there is not enough memory"
        ) from None


def _on_node(make: Callable[[Part], None], part: Part, expected: "Software | None") -> None:
    """Makes a shard on a node of a cluster, which has to run the driver's software. Raises InputError."""
    from pipeline.cluster.check import check_software

    if expected is not None:
        check_software(expected)
    make(part)


def make_shard(part: Part) -> None:
    """Writes one shard and its summary. Raises InputError that names the recording."""
    reader = _Reader(part)
    with part.target.writing(part.name) as path:
        written = write_shard(reader.rows(), path, "frames", part.params.compression, part.about)
        size = path.stat().st_size
    counts = {str(label): total([counted]) for label, counted in reader.counts.items()}
    summary = Summary.of(written, counts=counts, sensor=reader.sensor, size=size)
    with part.target.writing(_summary_name(part)) as path:
        write_whole(path, json.dumps(vars(summary)).encode())


class _Reader:
    """Reads the rows of a part one at a time, and collects counts and the sensor's size."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.counts: dict[int, Counter[str]] = {label: Counter() for label in part.labels}
        self.sensor: tuple[int, ...] = ()
        self._reading = reading_of(part.params, part.orientation)
        self._buffer, self._rows, self._contents = Buffer(), RowReader(), _contents(part.members)

    def rows(self) -> Iterator[Row]:
        """Yields rows; each is valid only until the next, as all share a buffer.

        Raises InputError naming the recording.
        """
        for member, label in zip(self.part.members, self.part.labels, strict=True):
            counts = Counter({"recordings": 1, "recordings used": 1})
            with _at_its_place(member):
                digest, samples = self._samples(member, counts)
                for sample in samples:
                    self._same_sensor(member, sample.sensor)
                    counts["events used"] += int(sample.frames.sum(dtype=np.uint32))
                    yield Row(id=sample.name, label=label, pixels=sample.frames, source_sha256=digest)
            check(counts, member.id)
            self.counts[label].update(counts)

    def _samples(
        self, member: Member | StoredMember | EventRow, counts: Counter[str]
    ) -> tuple[str, Iterator[FramedSample]]:
        """The digest and the samples of a recording."""
        if isinstance(member, EventRow):
            recording = self._rows.read(member, self._reading.sensor)
            return digest_of_events(recording), samples_of_recording(
                recording, member.id, self._reading, counts, self._buffer
            )
        data = next(self._contents)
        digest = hashlib.sha256(data).hexdigest()
        return digest, samples_of(data, member.id, self._reading, counts, self._buffer)

    def _same_sensor(self, member: Member | StoredMember | EventRow, sensor: Sensor) -> None:
        if self.sensor not in ((), sensor):
            first, known = self.part.members[0].id, "{} x {}".format(*self.sensor)
            raise RecordingError(
                f"{member.id}: a sensor of {sensor[0]} x {sensor[1]} pixels, {first} has {known}; {ONE_SENSOR}"
            )
        self.sensor = sensor


def _contents(members: Sequence[Member | StoredMember | EventRow]) -> Iterator[bytes]:
    """Yields the bytes of each recording that is a file."""
    yield from map(read_member, (member for member in members if isinstance(member, Member)))
    yield from read_ahead(member for member in members if isinstance(member, StoredMember))


@contextmanager
def _at_its_place(member: Member | StoredMember | EventRow) -> Iterator[None]:
    """Adds to an error of a recording in storage where that is."""
    try:
        yield
    except RecordingError as error:
        if not isinstance(member, StoredMember):
            raise
        raise RecordingError(f"{error}\nIt is {member.place}: replace or remove it, and run it again") from None


def read_summary(part: Part) -> Summary:
    """The summary of a finished shard."""
    read = json.loads(part.target.read(_summary_name(part)))
    return Summary(**read | {"contents": [Content(*content) for content in read["contents"]]})


def _summary_name(part: Part) -> str:
    return f"{part.name.removesuffix('.arrow')}.json"
