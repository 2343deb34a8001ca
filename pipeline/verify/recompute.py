"""`sresnet verify --root CHECKOUT --again`: raw data to shards and weights to predictions, computed anew by this code.

What the checkout holds is not believed: its raw files have to be the published ones, its shards are made again from
them, and its weights are run on these. Needs torch, and about the time of the stages preprocess and evaluate.
With `--train-again` the trainings are done again too, and have to end in the same bits on the same kind of processor.
Shapes: N samples, T time steps, K classes.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.data.contents import read_contents
from pipeline.data.store import Store
from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import SOURCE_FILE, fetch, read_source
from pipeline.evaluate.evaluate import Evaluator, Task, all_batches
from pipeline.evaluate.operations import Operations
from pipeline.evaluate.predictions import Seen, read_predictions
from pipeline.evaluate.record import Record
from pipeline.ground.files import sha256
from pipeline.ground.params import ClusterParams, DatasetParams
from pipeline.judge.audit import run_folder
from pipeline.preprocess.preprocess import preprocess
from pipeline.protocol.hardware import computed_by, describe, note
from pipeline.protocol.reduce import Alone
from pipeline.report.bundle import EVIDENCE
from pipeline.report.chain import Break
from pipeline.train.export import export
from pipeline.train.identity import run_identity
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.verify.checks import value_differences
from pipeline.verify.configurations import network_config, training_config
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.verify import Recomputation

LOCAL = ClusterParams(
    address="local",
    workers="auto",
    cpus_per_worker="threads",
    gpus_per_worker=0,
    storage="runs",
    checkpoint_seconds=60,
    recompute="nothing",
)
CPU = torch.device("cpu")
CLOSE = 1e-3
"""Of the largest voltage of a sample: how far another kind of processor may be off."""
_STRAY = 0.01
"""Share of the samples in which a spike may have flipped there."""


def compute_again(report: ReportFolder) -> Iterator[Break]:
    """Where what is computed anew is not what the report says. Raises InputError."""
    yield from _again(report, train_too=False)


def train_again(report: ReportFolder) -> Iterator[Break]:
    """The same, and every training that was computed on a processor like this one. Raises InputError."""
    yield from _again(report, train_too=True)


def _again(report: ReportFolder, *, train_too: bool) -> Iterator[Break]:
    assert report.root is not None, "asked with a checkout"
    with tempfile.TemporaryDirectory(prefix="again-") as folder:
        for dataset in sorted({str(record.dataset["name"]) for record in report.audit.records}):
            yield from raw_data(report, dataset, Path(folder) / "raw")
            yield from shards(report, dataset, Path(folder))
        for record in report.audit.records:
            arrow = Path(folder) / "arrow" / str(record.dataset["name"])
            yield from predictions(report, record, arrow)
            if train_too and record.platforms == [own_processor(record)]:
                yield from trained_weights(report, record, arrow, Path(folder))


def raw_data(report: ReportFolder, dataset: str, work: Path) -> Iterator[Break]:
    """Raw files that say that they are published have the published digests; what is made here is made again."""
    assert report.root is not None, "asked with a checkout"
    raw, params = report.root / "data" / "raw" / dataset, _params(report, dataset)
    source = read_source(raw)
    entry = CATALOG[source.catalog]
    if entry.origin == "embedded":
        (work / dataset).mkdir(parents=True)
        made, _ = fetch(dataset, params.download, work / dataset)
        for where, expected, found in value_differences(asdict(made), asdict(source)):
            yield Break(link="raw data", file=str(raw / SOURCE_FILE), expected=f"{where} {expected}", found=str(found))
        expected_md5 = {}
    else:
        expected_md5 = {file.name: file.md5 for file in entry.files} if source.published else {}
    for name, digest in source.files.items():
        with (raw / name).open("rb") as file:
            found_sha = hashlib.file_digest(file, "sha256").hexdigest()
        if found_sha != digest:
            yield Break(link="raw data", file=str(raw / name), expected=f"SHA-256 {digest}", found=found_sha)
    for name, md5 in expected_md5.items():
        with (raw / name).open("rb") as file:
            found_md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found_md5 != md5:
            yield Break(link="raw data", file=str(raw / name), expected=f"MD5 {md5} as published", found=found_md5)


def _params(report: ReportFolder, dataset: str) -> DatasetParams:
    return DatasetParams.model_validate(report.params["datasets"][dataset])


def shards(report: ReportFolder, dataset: str, folder: Path) -> Iterator[Break]:
    """Both splits, made again from the raw files, hold the samples that the report's manifests and contents list."""
    assert report.root is not None, "asked with a checkout"
    arrow = folder / "arrow" / dataset
    raw = report.root / "data" / "raw" / dataset
    preprocess(dataset, raw, _params(report, dataset).preprocess, LOCAL, arrow, folder / "work")
    stated = report.evidence / "data" / "arrow" / dataset
    pairs = [
        (f"{split}.json", *(_json(there / f"{split}.json") for there in (arrow, stated))) for split in ("train", "test")
    ]
    pairs.append(("contents.arrow", *(_contents(there) for there in (arrow, stated))))
    for name, made, found in pairs:
        for where, expected, other in value_differences(made, found):
            yield Break(
                link="data again",
                file=report.name(stated / name),
                expected=f"{where} {expected} as the raw files give it",
                found=str(other),
            )
            break


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _contents(folder: Path) -> dict[str, list[list[Any]]]:
    return {split: [list(content) for content in contents] for split, contents in read_contents(folder).items()}


def other_trainings(report: ReportFolder) -> Iterator[str]:
    """Trainings that have another name than this code and torch give their configuration, seed and data. It is no
    break: the results of an older commit are results.
    """
    for record in report.audit.records:
        rows = ("train_rows", "test_rows") if record.training["test_each_epoch"] else ("train_rows",)
        digests = tuple(record.digests[name] for name in rows)
        network, training = network_config(record.network), training_config(record.training)
        name = run_identity(network, training, record.seed, digests)
        if name != record.digests["identity"]:
            run = f"{record.experiment}-{record.seed}"
            yield f"{run}: trained by other code or torch than here: identity {record.digests['identity']}, here {name}"


def predictions(report: ReportFolder, record: Record, arrow: Path) -> Iterator[Break]:
    """The weights, on the test split made anew, give the predictions, and spikes and operations of the result."""
    assert report.root is not None, "asked with a checkout"
    model = report.root / run_folder(record) / "model.safetensors"
    path = report.predictions_of(record)
    training = training_config(record.training)
    worker = Evaluator(Task(model=model, data=arrow, training=training, seed=record.seed), "cpu")
    for where, expected, found in value_differences(record.network, asdict(worker.model.config)):
        yield Break(link="weights", file=str(model), expected=f"{where} {expected}", found=str(found))
    batches = range(len(worker.task.batches(len(Store(arrow, "test")))))
    seen = all_batches([worker.see(index) for index in batches])
    stated = read_predictions(path).voltage
    if seen.voltage.shape != stated.shape:
        yield Break(
            link="predictions again",
            file=report.name(path),
            expected=f"voltages of shape {seen.voltage.shape}",
            found=str(stated.shape),
        )
        return
    exact = (record.evaluated_by or record.platforms) == [own_processor(record)]
    if off := stray_samples(seen.voltage, stated, exact=exact):
        yield Break(
            link="predictions again",
            file=report.name(path),
            expected="what the weights give on the test split" + ("" if exact else ", on another processor nearly"),
            found=f"other voltages for {off} of {len(stated)} samples",
        )
    elif exact:
        yield from _counted(record, seen)


def trained_weights(report: ReportFolder, record: Record, arrow: Path, folder: Path) -> Iterator[Break]:
    """The training, done again on the shards made anew, gives these very weights and this history."""
    assert report.root is not None, "asked with a checkout"
    job = Job(
        name=f"{record.experiment}-{record.seed}",
        network=network_config(record.network),
        training=training_config(record.training),
        seed=record.seed,
        data=arrow,
        runs=folder / "runs",
        checkpoint_seconds=LOCAL.checkpoint_seconds,
        recompute=LOCAL.recompute,
    )
    note(job.platforms(), CPU, job.network.precision)
    train(job, Alone(), CPU, lambda text: None)
    made = folder / run_folder(record)
    export(job, record.experiment, str(record.dataset["name"]), made)
    for name, found in (
        ("model.safetensors", sha256(report.root / run_folder(record) / "model.safetensors")),
        ("history.csv", report.sha256(report.evidence / run_folder(record) / "history.csv")),
    ):
        if (expected := sha256(made / name)) != found:
            expected = f"SHA-256 {expected} as training again gives it"
            yield Break(link="training again", file=str(run_folder(record) / name), expected=expected, found=found)


def own_processor(record: Record) -> str:
    """What computes a recorded network anew."""
    return computed_by(CPU, record.network["precision"])


def stray_samples(made: npt.NDArray[np.float32], stated: npt.NDArray[np.float32], *, exact: bool) -> int:
    """Samples whose voltages (N, T, K) are not those computed; none where they are few enough for another processor."""
    if exact:
        return int((made != stated).any((1, 2)).sum())
    off = np.abs(made - stated).max((1, 2)) > CLOSE * np.abs(made).max((1, 2))
    return 0 if off.mean() <= _STRAY else int(off.sum())


def _counted(record: Record, seen: Seen) -> Iterator[Break]:
    """Spikes and operations, which nothing in the report's folder gives again."""
    operations = Operations(steps=seen.voltage.shape[1], layers=seen.work).as_json()
    rates = {name: spikes / (seen.neurons[name] * len(seen.voltage)) for name, spikes in seen.spikes.items()}
    firing = {name: {"neurons": seen.neurons[name], "rate": rate.tolist()} for name, rate in rates.items()}
    pairs = [("firing", firing, record.firing)]
    if record.operations is not None:
        pairs.append(("operations", operations, record.operations))
    file = f"{EVIDENCE}/results/{record.experiment}/{record.seed}.json"
    for part, made, stated in pairs:
        for where, expected, found in value_differences(json.loads(json.dumps(made)), stated, part):
            yield Break(link="predictions again", file=file, expected=f"{where} {expected}", found=str(found))
            break


def not_trained_again(report: ReportFolder) -> Iterator[str]:
    """Notes, and which trainings another processor computed, whose last bits this one does not give."""
    yield from other_trainings(report)
    for record in report.audit.records:
        if record.platforms != [own_processor(record)]:
            run = f"{record.experiment}-{record.seed}"
            yield f"{run}: not trained again: {' and '.join(record.platforms)} trained it, this is {describe(CPU)}"


AGAIN = Recomputation(check=compute_again, notes=other_trainings)
TRAIN_AGAIN = Recomputation(check=train_again, notes=not_trained_again)
