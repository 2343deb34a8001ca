"""Parts of a conversion from a bucket: requests ahead against latency, and the number of requests."""

import logging
import re
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.delay import delayed
from pipeline.cluster.storage import Storage, open_storage
from pipeline.ground.params import ClusterParams, DatasetParams
from pipeline.preprocess.convert import convert
from pipeline.preprocess.stored import AHEAD
from tests.cluster.s3 import bucket, serving

LATENCY_SECONDS = 0.02
ROUNDS = 2
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


class Methods(logging.Handler):
    """Counts the requests in a server's log by method."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"(HEAD|GET|PUT|POST|DELETE) /", record.getMessage()):
            self.counts[found[1]] += 1


def requests(recordings: Path, dataset: DatasetParams) -> dict[str, Any]:
    """Requests of a conversion, counted by moto's server. Arrow makes them, the same for every server."""
    with serving() as server:
        source, target = (open_storage(bucket(server, name)) for name in ("from", "into"))
        paths = sorted(recordings.rglob("*.aedat"))
        for path in paths:
            source.put(path, path.relative_to(recordings).as_posix())
        counted, log = Methods(), logging.getLogger("werkzeug")
        log.setLevel(logging.INFO)
        with mock.patch.object(log, "handlers", [counted]), mock.patch.object(log, "propagate", new=False):
            converted(source, target, dataset, ONE)
    return {"recordings": len(paths), "shards": 2 * dataset.preprocess.shards, "by_method": dict(counted.counts)}
