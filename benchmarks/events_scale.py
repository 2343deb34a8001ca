"""The stage `preprocess` on many recordings: recordings per second, memory, bytes written, one worker against two.

python -m benchmarks.events_scale [--recordings 2000] [--data DIR]

The recordings are cut from a few longer ones at different events, so no two files are equal. Each run of the stage has
its own process; Ray's workers are its descendants. The rate is that of a running stage: from the time when each worker
has finished its first shard to the end. The seconds of the whole stage include start and end.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import torch

from benchmarks import positive
from benchmarks.event_inputs import EVENTS, real, simulated
from pipeline.download.camera import write_aedat2
from pipeline.download.source import SOURCE_FILE, Source
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.params import ClusterParams, PreprocessParams
from pipeline.ground.paths import RESULTS
from pipeline.preprocess.aedat2 import aedat2_start
from pipeline.preprocess.preprocess import preprocess
from pipeline.preprocess.recordings import read_recording
from pipeline.protocol.hardware import describe

BASES = 4
SHARDS = 32
"""Shards per split: enough that no worker waits long for the last one."""
PARAMS = PreprocessParams(split="every-fifth-tests", shards=SHARDS, frames=50, size=64, compression="none", window=None)
SECONDS_BETWEEN_LOOKS = 0.1


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the recordings, runs the stage, prints, writes the result. Raises InputError."""
    settings = parse(arguments)
    quarter = max(settings.recordings // 4, 1)
    runs = []
    with tempfile.TemporaryDirectory(dir=settings.folder) as temporary:
        for number, workers in ((quarter, 2), (settings.recordings, 1), (settings.recordings, 2)):
            raw = Path(temporary) / "raw"
            make_recordings(settings.data, raw, number, settings.events)
            runs.append(in_its_own_process(raw, Path(temporary), number, workers))
            print(line(runs[-1]), flush=True)
    few, one, two = runs
    growth = {what: two[what] - few[what] for what in ("worker_bytes", "driver_bytes")}
    result = {
        "machine": describe(torch.device("cpu")),
        "runs": runs,
        "two_workers_against_one": two["recordings_a_second"] / one["recordings_a_second"],
        "growth_of_memory": growth | {"recordings": two["recordings"] - few["recordings"]},
        "settings": {"events": settings.events, "inputs": "real" if settings.data else "simulated", "shards": SHARDS},
    }
    print(f"two workers against one: {result['two_workers_against_one']:.2f} times")
    print(", ".join(f"{what} {grown / 1e6:+.1f} MB" for what, grown in growth.items()))
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.events_scale",
        description="Runs the stage preprocess on many recordings, with one worker and with two.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--recordings", type=positive, default=2000, help="recordings; a quarter of them runs too")
    parser.add_argument("--events", type=positive, default=EVENTS, help="events of each")
    parser.add_argument("--data", type=Path, help="folder with dvs-objects/*/*.aedat; without it, simulated recordings")
    parser.add_argument("--folder", type=Path, help="where to write, 2 MB a recording; default: the temporary folder")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-events-scale.json", help="file of the result")
    return parser.parse_args(arguments)


def make_recordings(data: Path | None, raw: Path, number: int, events: int) -> None:
    """Fills `raw` like the stage `download`: files of two classes, and SOURCE.json."""
    bases = [read_recording(path) for path in real(data, 10)] if data else simulated(BASES)
    longer = [base for base in bases if len(base) > events + number]
    bodies = []
    for index, base in enumerate(longer):
        write_aedat2(base, raw / f"{index}.base")
        content = (raw / f"{index}.base").read_bytes()
        (raw / f"{index}.base").unlink()
        start, _ = aedat2_start(content, "base")
        bodies.append((content[:start], content[start:]))
    for index in range(number):
        header, body = bodies[index % len(bodies)]
        path = raw / f"class{index % 2}" / f"{index:06}.aedat"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(header + body[index * 8 : (index + events) * 8])
    source = Source(catalog="recordings", title="Benchmark", files={str(number): ""})
    write_whole(raw / SOURCE_FILE, json.dumps(asdict(source)).encode())


def in_its_own_process(raw: Path, folder: Path, number: int, workers: int) -> dict[str, Any]:
    """Measures one run of the stage, and removes its output."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=stage, args=(raw, folder / "out", workers, its))
    process.start()
    its.close()
    try:
        measured = ours.recv()
    finally:
        process.join()
        shutil.rmtree(folder / "out", ignore_errors=True)
    return {"recordings": number, "workers": workers} | measured


def stage(raw: Path, out: Path, workers: int, answer: Connection) -> None:
    """Runs the stage, and sends the measurements."""
    watch = Watch()
    watch.start()
    start = time.time()
    cluster = ClusterParams(
        address="local",
        workers=workers,
        cpus_per_worker="threads",
        gpus_per_worker=0,
        storage="runs",
        checkpoint_seconds=60,
        recompute="nothing",
    )
    preprocess("scale", raw, PARAMS, cluster, out / "arrow", out / "work")
    seconds = time.time() - start
    watch.stop.set()
    watch.join()
    shards = sorted((out / "arrow").glob("*-of-*.arrow"), key=lambda path: path.stat().st_mtime)
    answer.send(
        {
            "stage_seconds": seconds,
            "recordings_a_second": rate(shards, workers),
            "worker_bytes": watch.most,
            "driver_bytes": peak(psutil.Process().pid),
            "bytes_written": sum(path.stat().st_size for path in (out / "arrow").iterdir()),
        }
    )


def rate(shards: list[Path], workers: int) -> float:
    """Recordings per second, from the time when as many shards as workers were finished."""
    times = [path.stat().st_mtime for path in shards]
    if len(shards) <= workers or times[-1] == times[workers - 1]:
        raise InputError(f"{len(shards)} shards are too few to time {workers} worker(s); use more recordings")
    return sum(map(rows, shards[workers:])) / (times[-1] - times[workers - 1])


def rows(shard: Path) -> int:
    with pa.ipc.open_file(str(shard)) as file:
        return int(file.schema.metadata[b"rows"])


class Watch(threading.Thread):
    """Polls the peak memory of the Ray workers below this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.most = 0

    def run(self) -> None:
        while not self.stop.wait(SECONDS_BETWEEN_LOOKS):
            for process in psutil.Process().children(recursive=True):
                self.most = max(self.most, worker_peak(process))


def worker_peak(process: psutil.Process) -> int:
    """Peak memory (bytes) of a process that makes shards; 0 for other processes."""
    try:
        makes = any("make_shard" in part for part in process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return 0
    return peak(process.pid) if makes else 0


def peak(pid: int) -> int:
    """Peak resident memory (bytes) of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def line(run: dict[str, Any]) -> str:
    return (
        f"{run['recordings']} recordings, {run['workers']} worker(s): {run['recordings_a_second']:.0f} recordings/s, "
        f"{run['stage_seconds']:.1f} s in all, worker {run['worker_bytes'] / 1e6:.0f} MB, "
        f"driver {run['driver_bytes'] / 1e6:.0f} MB, {run['bytes_written'] / 1e6:.0f} MB written"
    )


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
