"""Results of other profiles for the page: one row per experiment, over its seeds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from pipeline.evaluate.record import Record
from pipeline.judge.equivalence import interval


@dataclass(frozen=True, kw_only=True)
class RecordedGroup:
    """The records of one experiment, one per seed."""

    records: list[Record]
    """Sorted by seed."""
    checked: bool
    """True if their per-sample answers are in the folder."""

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def mean(self) -> float:
        """Test accuracy, mean over the seeds (percent)."""
        return fmean(record.test["top1_percent"] for record in self.records)

    @property
    def interval(self) -> tuple[float, float] | None:
        """90 % interval (percent) over test samples and seeds. None for one seed, which shows no spread."""
        if len(self.records) < 2:
            return None
        correct = np.array([record.test["correct"] for record in self.records], dtype=np.float64)
        low, high = interval(correct, self.first.test["samples"], None)
        return float(low), float(high)


def recorded_groups(records: Iterable[Record], *, checked: bool) -> list[RecordedGroup]:
    """A group for each experiment, configuration and data, in the order of their names."""
    groups: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: (one.experiment, one.seed)):
        rows = [record.digests.get(name) for name in ("train_rows", "test_rows")]
        key = json.dumps([record.experiment, record.network, record.training, rows, record.test["samples"]])
        groups.setdefault(key, []).append(record)
    return [RecordedGroup(records=group, checked=checked) for group in groups.values()]
