"""Functions that change a repository as a careless or dishonest person would, for the list of faults."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models import checkpoint
from pipeline.data.contents import read_contents, write_contents
from pipeline.data.store import Content, Row, Store, rows_digest, shard_name, write_manifest, write_shard
from pipeline.evaluate.predictions import Predictions, read_predictions
from pipeline.evaluate.record import read_record, scored, write_tables
from pipeline.preprocess.preprocess import preprocess as make_shards
from pipeline.protocol.params import load_run
from pipeline.protocol.reduce import Alone
from pipeline.train import loop
from pipeline.train.job import Job
from pipeline.train.training import Training, weights_of
from stages import preprocess
from tests.faults.lab import CPU, Lab, edit_json, edit_yaml

Rows = dict[str, list[Row]]
Change = Callable[[Rows], None]
Voltage = npt.NDArray[np.float32]


def rewrite_shards(arrow: Path, change: Change) -> None:
    """Changes the samples of both splits and writes what preprocessing would have written of them."""
    contents, stores = read_contents(arrow), {"train": Store(arrow, "train"), "test": Store(arrow, "test")}
    rows: Rows = {}
    for split, store in stores.items():
        pixels = store.read(np.arange(len(store)))
        rows[split] = [
            Row(id=one.id, label=one.label, pixels=values.copy(), source_sha256=one.source)
            for one, values in zip(contents[split], pixels, strict=True)
        ]
    change(rows)
    written = {}
    for split, store in stores.items():
        shards = store.manifest.shards
        about = pa.ipc.open_file(str(arrow / shard_name(split, 0, shards))).schema.metadata
        said = {key.decode(): value.decode() for key, value in about.items() if key not in (b"rows", b"digest")}
        made = []
        for index, block in enumerate(np.array_split(np.arange(len(rows[split])), shards)):
            path = arrow / shard_name(split, index, shards)
            made += write_shard((rows[split][i] for i in block), path, store.kind, "none", said)
        labels = [row.label for row in made]
        counts = [labels.count(label) for label in range(len(store.classes))]
        digest = rows_digest(row.digest for row in made)
        write_manifest(replace(store.manifest, rows=len(made), rows_per_class=counts, digest=digest), arrow)
        written[split] = [Content(row.id, row.label, row.source_sha256, row.content) for row in made]
    write_contents(written, arrow)


def preprocess_wrongly(lab: Lab, change: Change) -> None:
    """The stage `preprocess` with a fault in it: its record is about what it wrote."""

    def wrong(*arguments: Any) -> Any:
        make_shards(*arguments)
        rewrite_shards(arguments[4], change)
        return [Store(arguments[4], "train").manifest, Store(arguments[4], "test").manifest]

    with patch.object(preprocess, "preprocess", wrong):
        lab.stage(f"preprocess@{lab.arrow().name}")


def change_code(lab: Lab, edits: dict[str, list[tuple[str, str]]]) -> None:
    """Gives the repository its own copy of the code, with these passages replaced.

    Raises ValueError unless each stands there once.
    """
    for room in ("models", "pipeline"):
        source = (lab.root / room).resolve()
        (lab.root / room).unlink()
        shutil.copytree(source, lab.root / room)
    for name, passages in edits.items():
        text = (lab.root / name).read_text(encoding="utf-8")
        for old, new in passages:
            if text.count(old) != 1:
                raise ValueError(f"{name} has {text.count(old)} times, not once: {old}")
            text = text.replace(old, new)
        (lab.root / name).write_text(text, encoding="utf-8")


def change_predictions(folder: Path, change: Callable[[Predictions], Predictions]) -> None:
    path = folder / "predictions.parquet"
    change(read_predictions(path)).write(path)


def rename_examples(folder: Path, ids: list[str]) -> None:
    """The samples that the report shows, under the first of these names."""
    path = folder / "examples.parquet"
    table = pq.read_table(path)
    names = pa.array(ids[: len(table)])
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", names), path, compression="zstd")


def score_again(lab: Lab, seed: int) -> None:
    """Result, tables, digests and report after a change of predictions, as the stages would have written them."""
    folder, path = lab.artifacts(seed), lab.root / "results" / lab.experiment / f"{seed}.json"
    predictions, record = read_predictions(folder / "predictions.parquet"), read_record(path)
    parts = scored(predictions, record.training, folder / "history.csv")
    record = replace(record, **parts)  # type: ignore[arg-type]
    record.write(path)
    write_tables(record, predictions, folder / "history.csv", path.with_suffix(""))
    lab.mend()
    lab.stage("report")


def right_answers(made: Predictions, share: float) -> Voltage:
    """Outputs that would be right for this share of the samples."""
    voltage = made.voltage.copy()
    top = voltage.max(-1)
    for index in np.flatnonzero(voltage[:, -1].argmax(1) != made.labels):
        if (voltage[:, -1].argmax(1) == made.labels).mean() >= share:
            break
        voltage[index, :, made.labels[index]] = top[index] + 0.01
    return voltage


def epochs_of(lab: Lab, seed: int) -> list[dict[str, Tensor]]:
    """Weights after each epoch of a training."""
    found: list[dict[str, Tensor]] = []

    def keep(training: Training, path: Path) -> None:
        found.append(weights_of(training.model))

    with patch.object(loop, "checkpoint", keep):
        loop.train(job_of(lab, seed), Alone(), CPU, lambda text: None)
    return found


def job_of(lab: Lab, seed: int) -> Job:
    name = f"{lab.experiment}-{seed}"
    _, experiment = load_run(name, lab.root / "params.yaml")
    return Job(
        name=name,
        network=experiment.model,
        training=experiment.training,
        seed=seed,
        data=lab.arrow(),
        runs=lab.root / "runs" / "again",
        checkpoint_seconds=60,
        recompute="nothing",
    )


def put_weights(lab: Lab, seed: int, weights: dict[str, Tensor]) -> None:
    """Other weights in the place of those that the training ended with."""
    model = job_of(lab, seed).build()
    model.load_state_dict(weights)
    checkpoint.save_network(model, lab.artifacts(seed) / "model.safetensors")


def get_weights(lab: Lab, seed: int) -> dict[str, Tensor]:
    return {
        name: value.clone()
        for name, value in checkpoint.load_network(lab.artifacts(seed) / "model.safetensors").state_dict().items()
    }


def noisy(weights: dict[str, Tensor], deviation: float) -> dict[str, Tensor]:
    """The same weights with normal noise of this standard deviation."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: value + deviation * torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in weights.items()
    }


def test_scores(folder: Path) -> list[float]:
    """Percent on the test set after each epoch, by the history."""
    return [float(row["test_accuracy_authors"]) for row in history(folder)]


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_history(folder: Path, rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "history.csv").write_text(text.getvalue(), encoding="utf-8")


def change_config(lab: Lab, seed: int, change: Callable[[Any], Any]) -> None:
    edit_json(lab.artifacts(seed) / "config.json", change)


def rename_processor(lab: Lab, seed: int) -> None:
    """Says that another processor computed a training and its evaluation."""

    def rename(values: Any) -> None:
        for key in {"platforms", "evaluated_by"} & values.keys():
            values[key] = ["another processor, " + values[key][0].rpartition(", ")[2]]

    change_config(lab, seed, rename)
    edit_json(lab.root / "results" / lab.experiment / f"{seed}.json", rename, lines=True)


def fit_history(lab: Lab, seed: int) -> None:
    """The last row says what the predictions give."""
    result = json.loads((lab.root / "results" / lab.experiment / f"{seed}.json").read_text(encoding="utf-8"))
    rows = history(lab.artifacts(seed))
    rows[-1]["test_accuracy_authors"] = str(result["protocols"]["full_batches_only"])
    write_history(lab.artifacts(seed), rows)
    score_again(lab, seed)


def add_seed(lab: Lab, seed: int) -> None:
    """A further run of the experiment in params.yaml."""
    experiment, dataset = lab.experiment, lab.arrow().name
    run = {"experiment": experiment, "dataset": dataset, "seed": seed}
    edit_yaml(lab.root / "params.yaml", lambda content: content["runs"].update({f"{experiment}-{seed}": run}))


def leave_to_earlier(lab: Lab, *seeds: int) -> None:
    """Results and answers of these seeds are those of an earlier profile: their runs are not in params.yaml."""
    others = {f"{lab.experiment}-{seed}" for seed in seeds}

    def without(content: Any) -> None:
        content["runs"] = {name: run for name, run in content["runs"].items() if name not in others}

    edit_yaml(lab.root / "params.yaml", without)


def in_its_code(lab: Lab, first: str) -> None:
    """All stages from this one on, by the changed code of the repository."""
    data, keys = lab.arrow().name, lab.runs
    names = [f"preprocess@{data}"] + [f"{name}@{key}" for key in keys for name in ("train", "evaluate")] + ["report"]
    start = next(place for place, name in enumerate(names) if name.startswith(first))
    said = lab.in_its_code("tests.faults.lab", *names[start:])
    lab.said += [line for line in said.splitlines() if line.startswith(("WARNING: ", "error: "))]


def more_correct(record: Any) -> None:
    record["test"]["correct"] += 10


def stage_name(kind: str, lab: Lab) -> str:
    """That of seed 0, as dvc.yaml has it."""
    return f"{kind}@{lab.experiment}-0"
