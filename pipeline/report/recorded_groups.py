"""Results of other profiles for the page: one row per experiment, over its seeds."""

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
    """One group per experiment and test set, sorted by name."""
    groups: dict[tuple[str, str | None, int], list[Record]] = {}
    for record in sorted(records, key=lambda one: (one.experiment, one.seed)):
        key = (record.experiment, record.digests.get("test_rows"), record.test["samples"])
        groups.setdefault(key, []).append(record)
    return [RecordedGroup(records=group, checked=checked) for group in groups.values()]
