"""A dataset and a network so small that a training takes seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.config import NetworkConfig
from pipeline.data.store import VERSION, Manifest, Row, rows_digest, shard_name, write_manifest, write_shard
from pipeline.ground.params import ClusterParams
from pipeline.protocol.config import TrainingConfig
from pipeline.train.job import Job

NETWORK = NetworkConfig(
    blocks=1,
    width=2,
    time_steps=2,
    neuron="lif",
    leak=0.8744,
    leak_trained="never",
    reset="subtract",
    surrogate="triangle",
    surrogate_height=0.3,
    surrogate_width=1.0,
    normalization="bntt",
    shortcut="spike-add",
    downsampling="real",
    encoding="direct",
    readout="mean-voltage",
    initialization="xavier",
    precision="float32",
)
TRAINING = TrainingConfig(
    epochs=2,
    batch_size=10,
    micro_batches=2,
    threads=1,
    learning_rate=0.026844,
    schedule="steps",
    warmup_epochs=0,
    momentum=0.9,
    nesterov=False,
    weight_decay=1e-4,
    decay_after=(70, 80, 90),
    drop_last=False,
    loss="cross-entropy",
    tet_lambda=0.0,
    label_smoothing=0.0,
    distillation=0.0,
    augmentation="none",
    pixel_mean=(),
    pixel_std=(),
    average_decay=0.0,
    statistics="running",
    selection="last",
    validation_percent=0,
    test_each_epoch=False,
)

ONE = ClusterParams(
    address="local",
    workers=1,
    cpus_per_worker="threads",
    gpus_per_worker=0,
    storage="runs",
    checkpoint_seconds=60,
    recompute="nothing",
)
"""This process does the work."""


RECIPE: dict[str, Any] = {
    "schedule": "cosine",
    "decay_after": (),
    "warmup_epochs": 1,
    "nesterov": True,
    "loss": "tet",
    "tet_lambda": 0.05,
    "label_smoothing": 0.1,
    "distillation": 1.0,
    "average_decay": 0.9,
    "statistics": "recomputed",
}
"""The parts of a training that profile low-latency has together, but its augmentation."""


def tiny_job(
    folder: Path, training: TrainingConfig, *, kind: Literal["images", "frames"] = "images", channels: int = 1
) -> Job:
    """A job on 30 random training samples and 13 test samples of 3 classes; `channels` are those of images."""
    data = folder / "data" / kind
    if not data.exists():
        shape = (channels, 8, 8) if kind == "images" else ()
        write_split(data, "train", kind, 30, shape)
        write_split(data, "test", kind, 13, shape)
    return Job(
        name="tiny-0",
        network=NETWORK,
        training=training,
        seed=0,
        data=data,
        runs=folder / "runs",
        checkpoint_seconds=60,
        recompute="nothing",
    )


def write_split(
    folder: Path,
    split: str,
    kind: Literal["images", "frames"],
    rows: int,
    shape: tuple[int, ...] = (),
    classes: Sequence[str] = ("a", "b", "c"),
) -> None:
    """A split of random pixels, 8x8 unless `shape` says otherwise, whose labels follow 0, 1, 2, 0, ..."""
    shape = shape or ((1, 8, 8) if kind == "images" else (2, 2, 8, 8))
    drawn = np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8)
    made = [
        Row(id=f"{index:03}", label=index % 3, pixels=pixels, source_sha256="0" * 64)
        for index, pixels in enumerate(drawn)
    ]
    write_shard(made, folder / shard_name(split, 0, 1), kind, "none", {})
    manifest = Manifest(
        version=VERSION,
        dataset="tiny",
        title="Tiny",
        note=None,
        licence="made",
        citation="made",
        published=False,
        kind=kind,
        split=split,
        split_rule="none",
        framing_rule=None,
        scale=1 / 255,
        classes=list(classes),
        sample_shape=list(shape),
        shards=1,
        rows=rows,
        rows_per_class=[int(count) for count in np.bincount([row.label for row in made], minlength=len(classes))],
        digest=rows_digest(row.digest() for row in made),
    )
    write_manifest(manifest, folder)
