"""results/<experiment>/<seed>.json: the result of one training as exact counts, with digests of its inputs."""

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from models.bounds import STRICT, Natural, Percent, Positive, Within
from models.config import NetworkConfig
from pipeline.data.store import Manifest
from pipeline.evaluate.answers import ANSWERS, AboutAnswers, Answers, answers_of, write_answers
from pipeline.evaluate.ledger import Behind, Ledger, Protocols, make_ledger
from pipeline.evaluate.metrics import TestCounts, count_answers, top5_correct
from pipeline.evaluate.operations import Operations
from pipeline.evaluate.predictions import Predictions, Seen
from pipeline.evaluate.statistics import percent, wilson
from pipeline.ground.files import sha256, write_whole
from pipeline.protocol.config import TrainingConfig, recorded_training


@dataclass(frozen=True, kw_only=True)
class DatasetPart:
    """The dataset: its title and source, and how it was split and framed."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    title: str
    note: str | None
    licence: str
    citation: str
    published: bool
    split_rule: str
    framing_rule: str | None
    sample_shape: list[Positive]
    classes: list[str]
    train_samples: Positive
    test_samples: Positive


@dataclass(frozen=True, kw_only=True)
class TestPart(TestCounts):
    """Counts, and derived from them percentages and Wilson's 95 % interval."""

    top1_percent: Percent
    top1_low: Percent
    top1_high: Percent
    top5_percent: Percent | None


@dataclass(frozen=True, kw_only=True)
class FiringRates:
    """Firing rates of one layer."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    neurons: Positive
    rate: Annotated[list[float], Within(0, 1e6)]
    """Spikes per neuron at each time step."""


@dataclass(frozen=True, kw_only=True)
class Digests:
    """Digests of the inputs of a record."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    train_rows: str
    test_rows: str
    identity: str
    model: str
    predictions: str


RECORD_PARTS = {
    "dataset": DatasetPart,
    "network": NetworkConfig,
    "training": TrainingConfig,
    "test": TestPart,
    "protocols": Protocols,
    "firing": dict[str, FiringRates],
    "digests": Digests,
    "ledger": Behind | None,
    "operations": Operations | None,
}
"""Types of the parts of a record that are kept as plain values."""


_WHAT_IT_IS = ("a record of an evaluation", "the stage `evaluate` makes it")


@dataclass(frozen=True, kw_only=True)
class Record:
    """The evaluation of one training. Deterministic on one kind of machine."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    experiment: str
    seed: Natural
    dataset: dict[str, Any]
    network: dict[str, Any]
    training: dict[str, Any]
    parameters: Natural
    test: dict[str, Any]
    protocols: dict[str, float | None]
    firing: dict[str, dict[str, Any]]
    digests: dict[str, str]
    platforms: list[str]
    """Processors that computed the training."""
    ledger: dict[str, Any] | None
    """None in the records of profile real-small, whose predictions were not kept."""
    operations: dict[str, Any] | None
    """None in the same records as `ledger`."""
    evaluated_by: list[str]
    """Processors that computed the evaluation: hardware.computed_by of each worker; empty if it was not recorded."""

    def write(self, path: Path) -> None:
        """Writes the record, one line per part."""
        parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in asdict(self).items()]
        write_whole(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


def read_record(path: Path) -> Record:
    """The content of a record, with values of its training that are newer than it. Raises InputError."""
    from pipeline.ground.schema import read_as  # imports pydantic, which workers need not have

    record = read_as(Record, path, *_WHAT_IT_IS)
    return replace(record, training=recorded_training(record.training))


def read_whole_record(path: Path) -> Record:
    """The content of a record, with its parts checked (check_record). Raises InputError."""
    record = read_record(path)
    check_record(record, path)
    return record


def check_record(record: Record, path: Path) -> None:
    """Raises InputError unless the parts of a record have all keys that `make_record` writes, with values in bounds."""
    from pipeline.ground.schema import check_parts

    check_parts(record, RECORD_PARTS, path, *_WHAT_IT_IS)


def make_record(
    folder: Path, config: dict[str, Any], train: Manifest, test: Manifest, predictions: Predictions, seen: Seen
) -> Record:
    """The record of the training with its artifacts in `folder`; `config` is its config.json."""
    scores = scored(predictions, config["training"], folder / "history.csv")
    operations = Operations(steps=predictions.voltage.shape[1], layers=seen.work)
    return Record(
        experiment=config["experiment"],
        seed=config["seed"],
        dataset=dataset_of(config["dataset"], train, test),
        network=config["network"],
        training=config["training"],
        parameters=config["parameters"],
        test=scores["test"],
        protocols=scores["protocols"],
        firing=firing_of(seen),
        digests={
            "train_rows": train.digest,
            "test_rows": test.digest,
            "identity": config["identity"],
            "model": sha256(folder / "model.safetensors"),
            "predictions": sha256(folder / "predictions.parquet"),
        },
        platforms=config["platforms"],
        ledger=scores["ledger"],
        operations=operations.as_json(),
        evaluated_by=sorted(seen.computed_by),
    )


def scored(predictions: Predictions, training: dict[str, Any], history: Path) -> dict[str, dict[str, Any]]:
    """The parts of a record that are derived from predictions and history only: `test`, `protocols`, `ledger`."""
    answers = answers_of(predictions)
    counts = count_answers(answers, top5_correct(predictions))
    return _scores(counts, make_ledger(answers, training["batch_size"], history))


def scored_by_answers(answers: Answers, record: Record) -> dict[str, dict[str, Any]]:
    """The parts of `scored`, derived from answers; top 5 and what needs the history are copied from the record."""
    best, behind = record.protocols["best_test_epoch"], record.ledger or {}
    ledger = replace(
        make_ledger(answers, record.training["batch_size"], None),
        best_test_epoch=best,
        best_epoch=behind.get("best_epoch"),
        last_epoch=behind.get("last_epoch"),
    )
    return _scores(count_answers(answers, record.test["top5_correct"]), ledger)


def _scores(counts: TestCounts, ledger: Ledger) -> dict[str, dict[str, Any]]:
    return {"test": test_of(counts), "protocols": ledger.protocols(), "ledger": ledger.behind()}


def about_answers(record: Record) -> AboutAnswers:
    """The metadata of the answers beside a record."""
    return AboutAnswers(
        experiment=record.experiment,
        seed=record.seed,
        classes=record.dataset["classes"],
        model_sha256=record.digests["model"],
        data_digest=record.digests["test_rows"],
        predictions_sha256=record.digests["predictions"],
    )


def dataset_of(name: str, train: Manifest, test: Manifest) -> dict[str, Any]:
    """The part `dataset` of a record, from the manifests of both splits."""
    return {
        "name": name,
        "title": test.title,
        "note": test.note,
        "licence": test.licence,
        "citation": test.citation,
        "published": test.published,
        "split_rule": test.split_rule,
        "framing_rule": test.framing_rule,
        "sample_shape": test.sample_shape,
        "classes": test.classes,
        "train_samples": train.rows,
        "test_samples": test.rows,
    }


def test_of(counts: TestCounts) -> dict[str, Any]:
    """The part `test` of a record: counts, percentages and the interval."""
    low, high = wilson(counts.correct, counts.samples)
    top5 = counts.top5_correct
    return {
        **asdict(counts),
        "top1_percent": percent(counts.correct, counts.samples),
        "top1_low": low,
        "top1_high": high,
        "top5_percent": None if top5 is None else percent(top5, counts.samples),
    }


def firing_of(seen: Seen) -> dict[str, dict[str, Any]]:
    """The part `firing` of a record."""
    samples = len(seen.voltage)
    return {
        layer: {"neurons": seen.neurons[layer], "rate": (spikes / (seen.neurons[layer] * samples)).tolist()}
        for layer, spikes in seen.spikes.items()
    }


def spikes_a_neuron(record: Record) -> float:
    """Mean spikes per neuron and time step, over all layers."""
    layers = record.firing.values()
    spikes = math.fsum(layer["neurons"] * rate for layer in layers for rate in layer["rate"])
    return spikes / sum(layer["neurons"] * len(layer["rate"]) for layer in layers)


def write_tables(record: Record, predictions: Predictions, history: Path, folder: Path) -> None:
    """Writes the answers, and the files of DVC's metrics and plots; history.csv is a copy of the training's.

    They are small and committed, so that a record can be checked, and `dvc metrics diff` and `dvc plots diff` work
    between any commits.
    """
    write_answers(answers_of(predictions), about_answers(record), folder / ANSWERS)
    test = record.test
    metrics = {"accuracy": test["top1_percent"]}
    if record.firing:
        metrics["firing_rate"] = spikes_a_neuron(record)
    # Below the run's name, or DVC would put the file's path before each metric.
    named = {f"{record.experiment}-{record.seed}": metrics}
    write_whole(folder / "metrics.json", json.dumps(named, indent=2).encode() + b"\n")
    steps = [(t + 1, percent(correct, test["samples"])) for t, correct in enumerate(test["correct_by_step"])]
    _write_csv(folder / "steps.csv", ("step", "accuracy"), steps)
    write_whole(folder / "history.csv", history.read_bytes())


def _write_csv(path: Path, head: tuple[str, ...], rows: list[Any]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([head, *rows])
    write_whole(path, text.getvalue().encode())
