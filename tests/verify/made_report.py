"""A repository with one made-up training of nine samples, and its report with evidence, as the stages write them."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.numpy import save_file

from pipeline.data.contents import write_contents
from pipeline.data.store import (
    VERSION,
    Content,
    Manifest,
    Row,
    Written,
    rows_digest,
    shard_name,
    write_manifest,
    write_shard,
)
from pipeline.download.catalog import CATALOG
from pipeline.download.embedded import DIGITS_FILE, DIGITS_SHA256, copy_digits
from pipeline.download.source import SOURCE_FILE, Source
from pipeline.evaluate.answers import answers_of
from pipeline.evaluate.operations import Work
from pipeline.evaluate.predictions import About, Predictions, Seen
from pipeline.evaluate.record import Record, make_record, read_record, write_tables
from pipeline.ground import digests, stage
from pipeline.ground.files import sha256
from pipeline.ground.paths import ROOT
from pipeline.judge.audit import Audit, make_audit
from pipeline.judge.claims import CountClaim, read_claims
from pipeline.judge.measured import DECIDED_BY_IT, MEASURED, Measured
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.input_rule import Inputs
from pipeline.protocol.params import load_params
from pipeline.protocol.sampler import epoch_batches, learning_rate
from pipeline.report.write import write_report
from pipeline.train.identity import run_identity
from pipeline.train.used import epoch_digest
from pipeline.verify.history import HISTORY_COLUMNS
from tests.judge.recorded import write_with
from tests.report.made import write_pictures
from tests.verify.forger import mend

CLASSES = ["a", "b", "c"]
LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 2]
PREDICTED = [0, 1, 2, 0, 1, 2, 0, 1, 0]
"""Eight of nine are right."""
SPIKES = Work(
    samples=9,
    inputs=72,
    nonzero=27,
    dense=2592,
    binary=972,
    graded=0,
    graded_units=0,
    real=0,
    normalized=72,
    neurons=72,
)


def name(split: str, index: int) -> str:
    """Id of a sample."""
    return f"{split}/{index}"


def make_root(root: Path, patch: pytest.MonkeyPatch, paper: Path = ROOT / "paper") -> Path:
    """Fills `root` with what the five stages write, records included; gives the report's folder."""
    patch.setattr(stage, "ROOT", root)
    patch.setattr(stage, "RUNS", root / "runs")
    patch.setattr(digests, "BOOK", root / "runs" / "digests.json")
    (root / "paper").symlink_to(paper)
    for name in ("models", "pipeline", "stages", "dvc.yaml", "CITATION.cff"):
        (root / name).symlink_to(ROOT / name)
    _write_params(root / "params.yaml")
    raw, arrow = root / "data" / "raw" / "digits", root / "data" / "arrow" / "digits"
    artifacts, result = root / "artifacts" / "digits" / "0", root / "results" / "digits" / "0.json"
    stage.run_stage("download@digits", lambda: _download(raw))
    stage.run_stage("preprocess@digits", lambda: _preprocess(raw, arrow))
    stage.run_stage("train@digits-0", lambda: _train(root, arrow, artifacts))
    stage.run_stage("evaluate@digits-0", lambda: _evaluate(arrow, artifacts, result))
    stage.run_stage("agreement", lambda: _measure(root))
    _record(root, predictions(arrow, artifacts), read_record(result))
    report = root / "report"
    shutil.copy(ROOT / "results" / "curves-digits.json", root / "results")  # another recipe
    stage.run_stage("report", lambda: _report(root, report))
    return report


def _write_params(path: Path) -> None:
    yaml = YAML(typ="safe")
    content = yaml.load((ROOT / "profiles" / "quick.yaml").read_text(encoding="utf-8"))
    for part in ("datasets", "experiments"):
        content[part] = {"digits": content[part]["digits"]}
    content["runs"] = {"digits-0": content["runs"]["digits-0"]}
    content["experiments"]["digits"]["training"]["batch_size"] = 2  # tested in batches of four: one sample is left
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content | {"profile": "made"}, file)


def _download(raw: Path) -> None:
    raw.mkdir(parents=True)
    copy_digits(raw)
    source = Source(catalog="digits", title=None, files={DIGITS_FILE: DIGITS_SHA256})
    (raw / SOURCE_FILE).write_text(json.dumps(asdict(source)))


def _preprocess(raw: Path, arrow: Path) -> None:
    arrow.mkdir(parents=True)
    contents = {}
    for split in ("train", "test"):
        rows = [
            Row(id=name(split, i), label=label, pixels=_pixels(split, i), source_sha256="00" * 32)
            for i, label in enumerate(LABELS)
        ]
        written = write_shard(rows, arrow / shard_name(split, 0, 1), "images", "none", {})
        write_manifest(_manifest(split, written), arrow)
        contents[split] = [Content(row.id, row.label, row.source_sha256, row.content) for row in written]
    write_contents(contents, arrow)


def _pixels(split: str, index: int) -> Any:
    return np.full((1, 2, 2), index + 100 * (split == "test"), dtype=np.uint8)


def _manifest(split: str, written: list[Written]) -> Manifest:
    return Manifest(
        version=VERSION,
        dataset="digits",
        title="Digits",
        note=None,
        licence=CATALOG["digits"].licence,
        citation=CATALOG["digits"].citation,
        published=True,
        kind="images",
        split=split,
        split_rule="every-fifth-tests",
        framing_rule=None,
        scale=1.0,
        classes=CLASSES,
        sample_shape=[1, 2, 2],
        shards=1,
        rows=len(written),
        rows_per_class=[3, 3, 3],
        digest=rows_digest(row.digest for row in written),
    )


def _read_manifest(arrow: Path, split: str) -> Manifest:
    return Manifest(**json.loads((arrow / f"{split}.json").read_text(encoding="utf-8")))


def _history(training: TrainingConfig) -> str:
    """An epoch a line, each with the digest of the samples that the sampler gives it."""
    ids = [name("train", index) for index in range(len(LABELS))]
    rows = [",".join(HISTORY_COLUMNS)]
    for epoch in range(training.epochs):
        batches = epoch_batches(np.arange(len(LABELS)), training, 0, epoch)
        rows.append(f"{epoch + 1},{learning_rate(training, epoch)},1.5,50,,,,,,{epoch_digest(ids, batches)}")
    return "\n".join(rows) + "\n"


def _train(root: Path, arrow: Path, artifacts: Path) -> None:
    artifacts.mkdir(parents=True)
    experiment = load_params(root / "params.yaml").experiments["digits"]
    digest = _read_manifest(arrow, "train").digest
    save_file({"stem.norm.bias": np.full((4, 2), 0.5, np.float32)}, artifacts / "model.safetensors")
    (artifacts / "history.csv").write_text(_history(experiment.training))
    config = {
        "experiment": "digits",
        "seed": 0,
        "dataset": "digits",
        "network": asdict(experiment.model),
        "training": asdict(experiment.training),
        "inputs": asdict(Inputs.of(_read_manifest(arrow, "train"), experiment.training)),
        "data_digest": digest,
        "identity": run_identity(experiment.model, experiment.training, 0, (digest,)),
        "platforms": [f"one processor, torch {torch.__version__}"],
        "parameters": 8,
        "sha256": {name: sha256(artifacts / name) for name in ("model.safetensors", "history.csv")},
    }
    (artifacts / "config.json").write_text(json.dumps(config))


def predictions(arrow: Path, artifacts: Path) -> Predictions:
    """Two steps; the first says nothing."""
    about = About(
        experiment="digits",
        seed=0,
        classes=CLASSES,
        model_sha256=sha256(artifacts / "model.safetensors"),
        data_digest=_read_manifest(arrow, "test").digest,
    )
    last = np.eye(3, dtype=np.float32)[PREDICTED]
    voltage = np.stack([np.zeros_like(last), last], axis=1)
    return Predictions(about=about, ids=[name("test", i) for i in range(9)], labels=np.array(LABELS), voltage=voltage)


def _evaluate(arrow: Path, artifacts: Path, result: Path) -> None:
    made = predictions(arrow, artifacts)
    made.write(artifacts / "predictions.parquet")
    seen = Seen(
        voltage=made.voltage,
        spikes={"stem": np.array([9, 18])},
        neurons={"stem": 4},
        work={"stem": SPIKES},
        computed_by=frozenset({"a CPU"}),
    )
    config = json.loads((artifacts / "config.json").read_text())
    record = make_record(artifacts, config, _read_manifest(arrow, "train"), _read_manifest(arrow, "test"), made, seen)
    record.write(result)
    write_tables(record, made, artifacts / "history.csv", result.with_suffix(""))
    pixels = np.ones((3, 2, 2, 8, 8), dtype=np.uint8)  # two event frames
    write_pictures(artifacts / "examples.parquet", pixels, [name("test", i) for i in range(3)], [0, 1, 2], [0, 1, 2])


def _measure(root: Path) -> None:
    claims = [one for one in read_claims(root / "paper" / "claims.yaml").claims if isinstance(one, DECIDED_BY_IT)]
    found = {one.id: float(one.count if isinstance(one, CountClaim) else 0) for one in claims}
    Measured(platform="one processor", claims=found).write(root / MEASURED)


def _record(root: Path, made: Predictions, record: Record) -> None:
    """A result of another profile: on the same samples, with other answers."""
    digests = record.digests | {"model": "11" * 32, "predictions": "22" * 32}
    answers = replace(answers_of(made), steps=np.roll(answers_of(made).steps, 1, axis=0))
    write_with(root, replace(record, experiment="earlier", digests=digests), answers)


def audit_of(root: Path) -> Audit:
    return make_audit("made", root / "paper" / "claims.yaml", root, [root / "results" / "digits" / "0.json"])


def _report(root: Path, report: Path) -> None:
    report.mkdir()
    assert write_report(audit_of(root), root, report) == []


def rewrite(report: Path) -> None:
    """What a careful forger does after an edit."""
    stages = ("download@digits", "preprocess@digits", "train@digits-0", "evaluate@digits-0", "agreement", "report")
    mend(report, [stage for stage in stages if (report / "evidence" / "records" / f"{stage}.json").exists()])
