"""Ladders: recorded runs that differ in one setting, and their trend."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.audit.record import Record
from pipeline.audit.trend import LEAST_RUNS, LEAST_SETTINGS, Point, Trend, extrapolate

SETTINGS = {
    "network.time_steps": 50,
    "network.width": 32,
    "network.blocks": 6,
    "training.epochs": 70,
    "dataset.train_samples": None,
}
"""Keys of a record that make a ladder, with the authors' value; how many samples they had depends on the dataset."""
DATA = ("title", "published", "split_rule", "framing_rule", "sample_shape", "train_samples", "test_samples")
FOLLOW = {"network.time_steps": ("framing_rule", "sample_shape")}
"""Parts of the dataset that follow from a setting: frames have a time step each."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """All runs of one setting."""

    x: float
    accuracies: list[float]
    """Percent of each run."""

    @property
    def mean(self) -> float:
        return fmean(self.accuracies)


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Runs on one dataset that differ in `setting` and seed only."""

    setting: str
    dataset: str
    rungs: list[Rung]
    points: list[Point]

    def trend(self, at: float) -> Trend:
        return extrapolate(self.points, at)

    def predicted(self) -> Trend | None:
        """At the authors' value, if it is not among the rungs."""
        at = SETTINGS[self.setting]
        return None if at is None or at in {rung.x for rung in self.rungs} else self.trend(at)


def described(found: Sequence[Ladder]) -> str:
    """What a person reads of ladders: rungs, then what they predict at the authors' value."""
    lines = []
    for ladder in found:
        lines.append(f"{ladder.dataset} over {ladder.setting}")
        for rung in ladder.rungs:
            span = f"{min(rung.accuracies):.2f} to {max(rung.accuracies):.2f}"
            lines.append(f"  {rung.x:>6g}: {rung.mean:.2f} % ({len(rung.accuracies)} run(s), {span})")
        if trend := ladder.predicted():
            lines.append(f"  {trend.words()}")
    return "\n".join(lines) or (
        f"no ladder: {LEAST_RUNS} recorded runs at {LEAST_SETTINGS} values of one of {', '.join(SETTINGS)} make one, "
        "everything else being the same; `sresnet use ladder` has an example"
    )


def ladders(records: Sequence[Record]) -> list[Ladder]:
    """Every ladder with enough settings and runs among the records."""
    found = []
    for setting in SETTINGS:
        groups: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            groups[_rest(record, setting)].append(record)
        for group in groups.values():
            values = {_value(record, setting) for record in group}
            if len(values) >= LEAST_SETTINGS and len(group) >= LEAST_RUNS:
                found.append(_ladder(group, setting))
    return found


def _value(record: Record, setting: str) -> float:
    section, key = setting.split(".")
    return float(getattr(record, section)[key])


def _rest(record: Record, setting: str) -> str:
    """Everything that has to be the same, as text."""
    section, key = setting.split(".")
    parts: dict[str, dict[str, Any]] = {
        part: dict(getattr(record, part)) for part in ("dataset", "network", "training")
    }
    parts["dataset"] = {name: parts["dataset"].get(name) for name in DATA if name not in FOLLOW.get(setting, ())}
    parts[section].pop(key, None)
    return json.dumps(parts, sort_keys=True)


def _ladder(group: list[Record], setting: str) -> Ladder:
    ordered = sorted(group, key=lambda record: (_value(record, setting), record.experiment, record.seed))
    points = [
        Point(
            x=_value(record, setting),
            wrong=record.test["samples"] - record.test["correct"],
            samples=record.test["samples"],
            run=f"{record.experiment}-{record.seed}",
        )
        for record in ordered
    ]
    values = sorted({point.x for point in points})
    rungs = [Rung(x=x, accuracies=[100 * (1 - p.wrong / p.samples) for p in points if p.x == x]) for x in values]
    return Ladder(setting=setting, dataset=ordered[0].dataset["title"], rungs=rungs, points=points)
