"""Parts of a conversion from a bucket: requests ahead against latency, Ray tasks against Ray Data, requests counted."""

import logging
import pickle
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.delay import delayed
from benchmarks.events_scale import rate
from pipeline.cluster.storage import Storage, open_storage
from pipeline.ground.params import ClusterParams, DatasetParams
from pipeline.preprocess.convert import convert
from pipeline.preprocess.shards import Part, make_shard
from pipeline.preprocess.stored import AHEAD
from tests.cluster.s3 import bucket, serving

LATENCY_SECONDS = 0.02
ROUNDS = 3
ONE = ClusterParams(
    address="local",
    workers=1,
    cpus_per_worker="threads",
    gpus_per_worker=0,
    storage="runs",
    checkpoint_seconds=60,
    recompute="nothing",
)


def late(source: Callable[[str], str], dataset: DatasetParams, made: Path, host: str, port: int) -> dict[str, Any]:
    """Seconds of a conversion in one process when every request takes 20 ms, by the number of recordings that are
    requested at once; in turns. `source` gives the URI of a name at an address; `made` is the target's folder."""
    seconds: dict[str, list[float]] = {"1": [], str(AHEAD): []}
    for _ in range(ROUNDS):
        for ahead, taken in seconds.items():
            with (
                delayed(host, port, LATENCY_SECONDS) as address,
                mock.patch("pipeline.preprocess.stored.AHEAD", int(ahead)),
            ):
                start = time.monotonic()
                converted(open_storage(source(address)), open_storage(str(made)), dataset, ONE)
                taken.append(time.monotonic() - start)
            shutil.rmtree(made)
    medians = {ahead: statistics.median(taken) for ahead, taken in seconds.items()}
    return {
        "latency_seconds": LATENCY_SECONDS,
        "seconds": seconds,
        "times_as_fast": medians["1"] / min(medians.values()),
    }


def converted(source: Storage, target: Storage, dataset: DatasetParams, cluster: ClusterParams) -> None:
    convert("simulated", source, target, dataset, cluster)


def ways(source: Storage, dataset: DatasetParams, made: Path) -> dict[str, Any]:
    """Recordings per second of two workers of a local Ray, as its tasks and by Ray Data; in turns."""
    two, found = ONE.model_copy(update={"workers": 2}), dict[str, list[float]](tasks=[], data=[])
    for _ in range(ROUNDS):
        for name, speeds in found.items():
            with by_data() if name == "data" else mock.patch.dict({}):
                converted(source, open_storage(str(made)), dataset, two)
            finished = sorted(made.rglob("*.arrow"), key=lambda path: path.stat().st_mtime)
            speeds.append(rate([path for path in finished if path.name != "contents.arrow"], 2))
            shutil.rmtree(made)
    medians = {name: statistics.median(speeds) for name, speeds in found.items()}
    return {"recordings_a_second": found, "data_against_tasks": medians["data"] / medians["tasks"]}


@contextmanager
def by_data() -> Iterator[None]:
    """Meanwhile shards are made by Ray Data: a row is a shard, a block has one row."""

    def make_all(_: str, parts: list[Part], cluster: ClusterParams) -> None:
        import ray

        from pipeline.cluster.session import connect

        with connect(cluster, most=len(parts)):
            ray.data.DataContext.get_current().enable_progress_bars = False
            rows = [{"part": pickle.dumps(part)} for part in parts]
            ray.data.from_items(rows, override_num_blocks=len(rows)).map(make_row).materialize()

    with mock.patch("pipeline.preprocess.preprocess.make_shards", make_all):
        yield


def make_row(row: dict[str, Any]) -> dict[str, Any]:
    part = pickle.loads(row["part"])
    make_shard(part)
    return {"name": part.name}


class Methods(logging.Handler):
    """Counts the requests in a server's log by method."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.counts[record.getMessage().partition('"')[2].partition(" ")[0]] += 1


def requests(recordings: Path, dataset: DatasetParams) -> dict[str, Any]:
    """Requests of a conversion, counted by moto's server. Arrow makes them, the same for every server."""
    with serving() as server:
        source, target = (open_storage(bucket(server, name)) for name in ("from", "into"))
        paths = sorted(recordings.rglob("*.aedat"))
        for path in paths:
            source.put(path, path.relative_to(recordings).as_posix())
        counted, log = Methods(), logging.getLogger("werkzeug")
        log.addHandler(counted)
        log.setLevel(logging.INFO)
        converted(source, target, dataset, ONE)
        log.removeHandler(counted)
    return {"recordings": len(paths), "shards": 2 * dataset.preprocess.shards, "by_method": dict(counted.counts)}
