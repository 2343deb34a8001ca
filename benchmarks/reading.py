"""Disk space and time of a store of recordings, compared with the time of S-ResNet38 for the same batch."""

import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.event_forms import FRAMES, ours
from benchmarks.forms import S_RESNET38
from models.sresnet import SResNet
from pipeline.data.store import VERSION, Manifest, Row, Store, shard_name, write_manifest, write_shard

SAMPLES, BATCH = 200, 64
"""Number of samples, more than fit into the CPU cache, and batch size."""


def reading(paths: list[Path], folder: Path) -> dict[str, dict[str, float]]:
    """For each compression: bytes per sample, milliseconds to write one, microseconds to read one in batches of 64.

    The samples are the recordings' frames, repeated under other names. Times are medians, with files in the page cache.
    """
    network = network_seconds()
    return {name: measure(paths, folder / name, name, network) for name in ("none", "zstd")}


def measure(paths: list[Path], folder: Path, compression: str, network: float) -> dict[str, float]:
    taken = write(paths, folder, compression)
    store, draw = Store(folder, "test"), np.random.default_rng(0)
    store.read(np.arange(SAMPLES))
    one = [timed_read(store, draw.integers(0, SAMPLES, 1)) for _ in range(10 * SAMPLES)]
    batch = [timed_read(store, draw.integers(0, SAMPLES, BATCH)) for _ in range(20)]
    return {
        "bytes": (folder / shard_name("test", 0, 1)).stat().st_size / SAMPLES,
        "write_ms": taken / SAMPLES * 1e3,
        "sample_us": statistics.median(one) * 1e6,
        "batch_ms": statistics.median(batch) * 1e3,
        "times_faster_than_network": network * BATCH / statistics.median(batch),
    }


def write(paths: list[Path], folder: Path, compression: str) -> float:
    """Seconds to write the shard, including digests."""
    frames = [ours("aedat2", path).copy() for path in paths]
    rows = [
        Row(id=f"{index:05}", label=0, pixels=frames[index % len(frames)], source_sha256="0" * 64)
        for index in range(SAMPLES)
    ]
    start = time.perf_counter()
    write_shard(rows, folder / shard_name("test", 0, 1), "frames", compression, {})
    taken = time.perf_counter() - start
    manifest = Manifest(
        version=VERSION,
        dataset="benchmark",
        title="benchmark",
        note=None,
        licence="made",
        citation="made",
        published=False,
        kind="frames",
        split="test",
        split_rule="none",
        framing_rule=None,
        scale=0.25,
        classes=["a"],
        sample_shape=list(rows[0].pixels.shape),
        shards=1,
        rows=SAMPLES,
        rows_per_class=[SAMPLES],
        digest="",
    )
    write_manifest(manifest, folder)
    return taken


def timed_read(store: Store, indices: np.ndarray) -> float:
    start = time.perf_counter()
    store.read(indices)
    return time.perf_counter() - start


def network_seconds() -> float:
    """Seconds per sample of inference with S-ResNet38 in batches of two, on all CPUs; training takes longer."""
    config = replace(S_RESNET38, time_steps=FRAMES)
    network = SResNet(config, input_shape=(2, 64, 64), classes=10, frames=True).eval()
    affinity, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    torch.set_num_threads(os.cpu_count() or 1)
    taken = []
    with torch.inference_mode():
        for _ in range(3):
            start = time.perf_counter()
            network(torch.zeros(2, FRAMES, 2, 64, 64))
            taken.append((time.perf_counter() - start) / 2)
    os.sched_setaffinity(0, affinity)
    torch.set_num_threads(threads)
    return min(taken)
