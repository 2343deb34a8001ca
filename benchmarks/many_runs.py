"""A repository of made-up runs of the paper's size, and its report's page, for the benchmark of the page.

No training produced its numbers; the page says so for each run, and none is compared with a claim.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluate.examples import EXAMPLES
from pipeline.evaluate.ledger import Dropped, Ledger
from pipeline.evaluate.metrics import TestCounts
from pipeline.evaluate.operations import Operations, Work
from pipeline.evaluate.predictions import About, Predictions
from pipeline.evaluate.record import Record, test_of
from pipeline.ground.files import write_whole
from pipeline.ground.paths import CLAIMS
from pipeline.ground.stage_record import StageRecord, path_of
from pipeline.judge.audit import make_audit
from pipeline.report.page import make_page, page_files
from pipeline.report.vega import vega_script

NOTE = "made up to measure this page: no training gave these numbers"
SEEDS, STEPS, EPOCHS, SAMPLES, DROPPED = 5, 50, 70, 10_000, 4
LAYERS = ["stem", *(f"blocks.{i}.{part}" for i in range(18) for part in ("first", "second")), "readout"]
WORK = Work(
    samples=SAMPLES,
    inputs=7_123_456_789,
    nonzero=1_234_567_890,
    dense=987_654_321_012,
    binary=123_456_789_012,
    graded=23_456_789_012,
    graded_units=45_678_901_234,
    real=0,
    normalized=1_638_400_000,
    neurons=1_638_400_000,
)


def page_of(root: Path, runs: int) -> Path:
    """Fills `root`; returns the page of `runs` runs, with five seeds per experiment; every third has 100 classes."""
    records = [made_record(run) for run in range(runs)]
    for record in records:
        record.write(root / "results" / record.experiment / f"{record.seed}.json")
        write_artifacts(root / "artifacts" / record.experiment / str(record.seed), record)
    current = [root / "results" / record.experiment / f"{record.seed}.json" for record in records]
    audit = make_audit("made-up", CLAIMS, root, current)
    for stage in audit.stages:
        made = StageRecord(
            stage=stage, command=[], python="3.11.9", packages={}, parameters={}, code=[], reads=[], writes=[]
        )
        made.write(root / path_of(stage))
    for name, content in page_files(make_page(audit, root, splits=[]), vega_script()).items():
        write_whole(root / "report" / name, content)
    return root / "report" / "index.html"


def made_record(run: int) -> Record:
    """A record with consistent counts."""
    random = np.random.default_rng(run)
    classes = 100 if run // SEEDS % 3 == 1 else 10
    test = test_of(made_counts(random, classes))
    return Record(
        experiment=f"made-up-{run // SEEDS:02}",
        seed=run % SEEDS,
        dataset=made_dataset(classes),
        network={"blocks": 6, "width": 32, "time_steps": STEPS},
        training={"epochs": EPOCHS, "batch_size": 21, "selection": "last"},
        parameters=2_545_376,
        test=test,
        protocols=made_ledger(test).protocols(),
        firing={layer: {"neurons": 32_768, "rate": random.random(STEPS).tolist()} for layer in LAYERS},
        digests={name: random.bytes(32).hex() for name in ("train_rows", "test_rows", "identity", "model")},
        platforms=["no machine"],
        ledger=made_ledger(test).behind(),
        operations=Operations(steps=STEPS, layers=dict.fromkeys(LAYERS, WORK)).as_json(),
        evaluated_by=["no machine"],
    )


def made_dataset(classes: int) -> dict[str, Any]:
    return {
        "name": f"made-up-{classes}",
        "title": f"Made up, {classes} classes",
        "note": NOTE,
        "licence": "none",
        "citation": "made up",
        "published": False,
        "sample_shape": [3, 32, 32],
        "classes": [f"class {label}" for label in range(classes)],
        "train_samples": 50_000,
        "test_samples": SAMPLES,
    }


def made_counts(random: np.random.Generator, classes: int) -> TestCounts:
    each, right = SAMPLES // classes, random.uniform(0.6, 0.95)
    chances = np.full((classes, classes), (1 - right) / (classes - 1))
    np.fill_diagonal(chances, right)
    confusion = random.multinomial(each, chances)
    correct = int(np.trace(confusion))
    return TestCounts(
        samples=SAMPLES,
        correct=correct,
        top5_correct=(correct + SAMPLES) // 2,
        class_samples=[each] * classes,
        class_correct=np.diag(confusion).tolist(),
        confusion=confusion.tolist(),
        correct_by_step=[correct * step // STEPS for step in range(1, STEPS + 1)],
    )


def made_ledger(test: dict[str, Any]) -> Ledger:
    percent = test["top1_percent"]
    return Ledger(
        every_test_sample=percent,
        full_batches_only=percent + 0.01,
        mean_of_batch_means=percent - 0.01,
        best_test_epoch=percent + 0.2,
        best_epoch=EPOCHS - 1,
        last_epoch=percent + 0.01,
        test_batch=42,
        dropped=[Dropped(id=f"test/{i}", label="class 0", correct=i > 0) for i in range(DROPPED)],
    )


def write_artifacts(folder: Path, record: Record) -> None:
    """history.csv, and examples.parquet with the predictions of its samples."""
    folder.mkdir(parents=True)
    final = record.test["top1_percent"]
    with (folder / "history.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("epoch", "train_accuracy", "validation_accuracy"))
        writer.writerows((epoch, final - 50 / epoch, final - 51 / epoch) for epoch in range(1, EPOCHS + 1))
    pixels = np.random.default_rng(record.seed).integers(0, 256, (EXAMPLES, 3, 32, 32), dtype=np.uint8)
    columns = {"id": [f"test/{i}" for i in range(EXAMPLES)], "label": range(EXAMPLES), "predicted": range(EXAMPLES)}
    table = pa.table({"pixels": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), **columns})
    pq.write_table(table, folder / "examples.parquet")
    about = About(
        experiment=record.experiment,
        seed=record.seed,
        classes=record.dataset["classes"],
        model_sha256=record.digests["model"],
        data_digest=record.digests["test_rows"],
    )
    voltage = np.eye(len(about.classes), dtype=np.float32)[:EXAMPLES, None].copy()
    labels, ids = np.arange(EXAMPLES), [f"test/{i}" for i in range(EXAMPLES)]
    Predictions(about=about, ids=ids, labels=labels, voltage=voltage).write(folder / "predictions.parquet")
