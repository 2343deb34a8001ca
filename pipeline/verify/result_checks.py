"""Checks of results: against the splits, the configuration, their predictions and their answers."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.contents import read_contents
from pipeline.data.store import Content, Manifest
from pipeline.evaluate.answers import answers_of, read_answers
from pipeline.evaluate.predictions import read_about, read_predictions
from pipeline.evaluate.record import Record, about_answers, dataset_of, scored
from pipeline.ground.differences import value_differences
from pipeline.ground.errors import InputError
from pipeline.judge.audit import run_folder
from pipeline.judge.chain import Break
from pipeline.judge.matching import name_of
from pipeline.protocol.input_rule import Inputs
from pipeline.protocol.sampler import epoch_batches, hold_out
from pipeline.report.bundle import EVIDENCE
from pipeline.train.used import epoch_digest
from pipeline.verify.configurations import training_config
from pipeline.verify.history import read_history
from pipeline.verify.report_folder import ReportFolder, strict_manifest


def split(report: ReportFolder) -> Iterator[Break]:
    """The predictions have exactly the samples and labels of the test split."""
    contents_of = lru_cache(maxsize=1)(read_contents)  # consecutive runs often share a dataset
    for record in report.audit.records:
        path = report.predictions_of(record)
        folder = report.evidence / "data" / "arrow" / str(record.dataset["name"])
        read, contents = read_predictions(path), contents_of(folder)
        train, test = (strict_manifest(folder / f"{part}.json") for part in ("train", "test"))
        config = f"{EVIDENCE}/{run_folder(record)}/config.json"
        result = f"results/{name_of(record)}"
        pairs = [
            *_counted_rows(report, folder, contents, {"train": train, "test": test}),
            (report.name(path), "ids of the test split", [one.id for one in contents["test"]], read.ids),
            (report.name(path), "labels", [one.label for one in contents["test"]], read.labels.tolist()),
            (report.name(path), "rows", test.digest, read.about.data_digest),
            (report.name(path), "classes", test.classes, read.about.classes),
            (f"{EVIDENCE}/{result}", "test_rows", test.digest, record.digests["test_rows"]),
            (f"{EVIDENCE}/{result}", "train_rows", train.digest, record.digests["train_rows"]),
            (f"{EVIDENCE}/{result}", "dataset", dataset_of(test.dataset, train, test), record.dataset),
            (config, "data_digest", train.digest, report.config(record)["data_digest"]),
            (config, "inputs", _inputs(train, record, report.evidence / result), report.config(record)["inputs"]),
        ]
        for file, what, one, other in pairs:
            for where, expected, found in value_differences(one, other, what):
                yield Break(link="split", file=file, expected=f"{where} {expected}", found=str(found))
                break
        yield from _samples(report, record, contents["train"])


def _inputs(train: Manifest, record: Record, file: Path) -> dict[str, Any]:
    """Raises InputError, with the record's file, if the training's pixel values do not fit the split's channels."""
    try:
        return asdict(Inputs.of(train, training_config(record.training)))
    except ValueError as error:
        raise InputError(f"{file}: training: {error}") from None


def _counted_rows(
    report: ReportFolder, folder: Path, contents: dict[str, list[Content]], stated: dict[str, Manifest]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Pairs to compare: samples per class counted in the contents of the splits, and stated in the manifests."""
    for split, manifest in stated.items():
        labels = [content.label for content in contents[split]]
        counted = [labels.count(label) for label in range(len(manifest.classes))]
        file = report.name(folder / f"{split}.json")
        yield file, "rows", len(labels), manifest.rows
        yield file, "rows_per_class", counted, manifest.rows_per_class


def _samples(report: ReportFolder, record: Record, train: list[Content]) -> Iterator[Break]:
    """Each epoch's digest of samples is the one derived from training split, seed and epoch."""
    path = report.evidence / run_folder(record) / "history.csv"
    rows = read_history(path)
    training, ids = training_config(record.training), [one.id for one in train]
    samples, _ = hold_out(np.array([one.label for one in train]), training.validation_percent)
    for epoch, row in enumerate(rows):
        expected = epoch_digest(ids, epoch_batches(samples, training, record.seed, epoch))
        if (found := row["samples_sha256"]) != expected:
            where = f"epoch {epoch + 1}/samples_sha256 {expected}, each training sample once in the sampler's order"
            yield Break(link="split", file=report.name(path), expected=where, found=found)
            return


def configuration(report: ReportFolder) -> Iterator[Break]:
    """params.yaml, the weights' configuration, the result and the predictions agree on the training."""
    wrote = {file.path: file.sha256 for record in report.records for file in record.writes}
    for record in report.audit.records:
        folder = run_folder(record)
        path = report.evidence / folder / "config.json"
        config = report.config(record)
        weights = wrote.get((folder / "model.safetensors").as_posix())
        own = {name: config[name] for name in ("experiment", "seed", "network", "training", "parameters", "platforms")}
        named = {name: getattr(record, name) for name in own}
        result = f"{EVIDENCE}/results/{name_of(record)}"
        pairs: list[tuple[str, Any, Any]] = [
            (result, own, named),
            (result, {"identity": config["identity"], "model": weights}, _some(record.digests, "identity", "model")),
            (
                report.name(report.predictions_of(record)),
                {"experiment": record.experiment, "seed": record.seed, "model_sha256": weights},
                _some(vars(read_about(report.predictions_of(record))), "experiment", "seed", "model_sha256"),
            ),
        ]
        stated = report.params["experiments"][record.experiment]
        network, training = config["network"], config["training"]
        pairs += [
            (report.name(path), stated[there], _some(used, *stated[there]))
            for there, used in (("model", network), ("training", training))
        ]
        for file, one, other in pairs:
            for where, expected, found in value_differences(one, other):
                yield Break(link="configuration", file=file, expected=f"{where} {expected}", found=str(found))


def _some(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


def scores(report: ReportFolder) -> Iterator[Break]:
    """Every count, percentage, interval and protocol of a result equals the one derived from its predictions."""
    for record in report.audit.records:
        path = report.predictions_of(record)
        derived = scored(read_predictions(path), record.training, report.history_of(record))
        derived["digests"] = record.digests | {"predictions": report.sha256(path)}
        file = f"{EVIDENCE}/results/{name_of(record)}"
        for part, values in derived.items():
            for where, one, other in value_differences(values, getattr(record, part), part):
                expected = f"{where} {one}, derived from {report.name(path)}"
                yield Break(link="predictions", file=file, expected=expected, found=str(other))


def committed_answers(report: ReportFolder) -> Iterator[Break]:
    """The answers beside a result of this profile equal those derived from its predictions."""
    for record in report.audit.records:
        about, answers = read_answers(report.answers_of(record))
        made = answers_of(read_predictions(report.predictions_of(record)))
        stated = asdict(about) | answers.columns()
        for where, one, other in value_differences(asdict(about_answers(record)) | made.columns(), stated):
            expected = f"{where} {one}, derived from {report.name(report.predictions_of(record))}"
            yield Break(
                link="answers", file=report.name(report.answers_of(record)), expected=expected, found=str(other)
            )
            break


def samples_of_rows(report: ReportFolder) -> Iterator[Break]:
    """Results that state the same digest of test rows have the same samples with the same labels in their answers.

    The check `split` compares results of this profile with the contents of their test split. So this check compares
    recorded results of other profiles on the same rows with that split too. The contents of other rows are not in the
    folder: recorded results on these are only compared with each other.
    """
    known: dict[str, Record] = {}
    for record in report.audit.held:
        first = known.setdefault(record.digests["test_rows"], record)
        if first is record or _order(report, first) == _order(report, record):
            continue
        for where, one, other in value_differences(_labels(report, first), _labels(report, record), "labels"):
            expected = f"{where} {one} as in {name_of(first)}, whose test rows have the same digest"
            yield Break(link="split", file=report.name(report.answers_of(record)), expected=expected, found=str(other))
            break


def _order(report: ReportFolder, record: Record) -> str:
    """Digest of a result's samples and labels; those of other profiles were read when they were scored."""
    known = report.audit.hits.get(name_of(record))
    return (known or read_answers(report.answers_of(record))[1].hits_in_order()).order


def _labels(report: ReportFolder, record: Record) -> dict[str, int]:
    _, answers = read_answers(report.answers_of(record))
    return dict(zip(answers.ids, answers.labels.tolist(), strict=True))
