"""results.csv: one row per run and metric. docs/report.md explains the columns."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from pipeline.evaluate.record import Record, spikes_a_neuron
from pipeline.judge.audit import Audit
from pipeline.judge.matching import name_of

_COLUMNS = ("experiment", "seed", "dataset", "computed", "metric", "value", "unit", "low", "high", "n", "source")


def results_csv(audit: Audit) -> bytes:
    """The table: results of this profile first, then recorded ones, with or without per-sample answers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    groups = {"this run": audit.records, "recorded": audit.recorded, "recorded, not checked": audit.unchecked}
    for computed, records in groups.items():
        for record in records:
            run = (record.experiment, record.seed, record.dataset["title"], computed)
            writer.writerows((*run, *row, f"results/{name_of(record)}") for row in _rows(record))
    return text.getvalue().encode()


def _rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """Rows of metric, value, unit, 95 % interval and number of samples."""
    test, samples = record.test, record.test["samples"]
    yield "test_accuracy", test["top1_percent"], "percent", test["top1_low"], test["top1_high"], samples
    yield "test_correct", test["correct"], "samples", "", "", samples
    if test["top5_percent"] is not None:
        yield "test_accuracy_top5", test["top5_percent"], "percent", "", "", samples
    for protocol, value in record.protocols.items():
        if value is not None and protocol != "every_test_sample":
            yield f"test_accuracy_{protocol}", value, "percent", "", "", ""
    if record.firing:
        yield "spikes", f"{spikes_a_neuron(record):.6f}", "a neuron and step", "", "", samples
    yield "parameters", record.parameters, "trainable parameters", "", "", ""
