"""Finds the records of a claim by their configuration, never by their name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from pipeline.evaluate.record import Record
from pipeline.judge.claims import Configuration

Free = Mapping[str, frozenset[str]]
"""Keys that may differ, by part of a record."""
OF_DATASET = frozenset({"name", "note", "classes", "licence", "citation"})
"""The user's name for the data, and values that the title determines."""
FREE_OF_WEIGHTS: Free = {"dataset": OF_DATASET, "training": frozenset({"test_each_epoch"})}
"""Test scores after each epoch are recorded and have no influence."""
FREE_OF_ACCURACY: Free = {"dataset": OF_DATASET, "training": frozenset({"test_each_epoch", "threads"})}
"""The number of threads sets the order of additions in a convolution. It changes only last bits, as does another
processor."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The record with the configuration closest to a claim's."""

    record: Record
    differences: list[str]
    attempt: bool
    """True if it has the claim's dataset, or the claim's network and training on other data."""


def name_of(record: Record) -> str:
    """Path of a record relative to results/."""
    return f"{record.experiment}/{record.seed}.json"


def differences(wanted: Configuration, record: Record, free: Free) -> list[str]:
    """One line per key in which a record differs from the wanted configuration. A key that the claim does not have
    counts as a difference, so a parameter that was added later is noticed.
    """
    had: dict[str, Mapping[str, Any]] = {
        "dataset": record.dataset,
        "network": record.network,
        "training": record.training,
    }
    had["digests"] = {key: record.digests.get(key) for key in wanted.parts["digests"]}
    return [text for part in had for text in _differences(part, wanted.parts[part], had[part], free)]


def _differences(part: str, wanted: Mapping[str, Any], had: Mapping[str, Any], free: Free) -> list[str]:
    texts = []
    for key in [key for key in {**wanted, **had} if key not in free.get(part, ())]:
        if key not in had:
            texts.append(f"{part}.{key} is not recorded, the claim is about {wanted[key]}")
        elif key not in wanted:
            texts.append(f"{part}.{key} is {had[key]}, of which the claim says nothing")
        elif had[key] != wanted[key]:
            texts.append(f"{part}.{key} is {had[key]}, the claim is about {wanted[key]}")
    return texts


def matching_records(wanted: Configuration, records: Sequence[Record], free: Free) -> list[Record]:
    """The records with the wanted configuration, sorted by seed."""
    fitting = [record for record in records if not differences(wanted, record, free)]
    return sorted(fitting, key=lambda record: (record.seed, record.experiment))


def nearest_record(wanted: Configuration, records: Sequence[Record], free: Free) -> Nearest | None:
    """The record of the same dataset, else of any, with the fewest differences; None if there is no record."""
    found = [_near(wanted, record, free) for record in records]
    return min(
        found,
        key=lambda near: (_other_data(wanted, near.record), len(near.differences), name_of(near.record)),
        default=None,
    )


def _near(wanted: Configuration, record: Record, free: Free) -> Nearest:
    texts = differences(wanted, record, free)
    of_data = [text for text in texts if text.startswith(("dataset.", "digests."))]
    return Nearest(
        record=record, differences=texts, attempt=not _other_data(wanted, record) or len(of_data) == len(texts)
    )


def _other_data(wanted: Configuration, record: Record) -> bool:
    return record.dataset.get("title") != wanted.dataset.title


def objections(records: Sequence[Record]) -> list[str]:
    """Reasons why these records are not results of different seeds on one complete test set; empty if they are."""
    texts = [text for record in records for text in _incomplete(record)]
    for one, other in combinations(records, 2):
        names = f"{name_of(one)} and {name_of(other)}"
        if one.seed == other.seed:
            texts.append(f"{names} are the same seed")
        if same := [what for what in ("model", "predictions") if _same(one.digests, other.digests, what)]:
            texts.append(f"{names} have the same {' and '.join(same)}")
        elif (one.test, one.firing) == (other.test, other.firing):
            texts.append(f"{names} have the same counts and spikes")
        if changed := [part for part in ("train_rows", "test_rows") if not _same(one.digests, other.digests, part)]:
            texts.append(f"{names} have other {' and '.join(changed)}")
    return texts


def unpaired(firsts: Sequence[Record], seconds: Sequence[Record]) -> list[str]:
    """Reasons why two configurations cannot be compared seed by seed."""
    texts = []
    for one, other in product(firsts, seconds):
        names = f"{name_of(one)} and {name_of(other)}"
        if same := [what for what in ("model", "predictions") if _same(one.digests, other.digests, what)]:
            texts.append(f"{names} have the same {' and '.join(same)}")
        if not _same(one.digests, other.digests, "test_rows"):
            texts.append(f"{names} have other test_rows")
    return texts


def _same(one: Mapping[str, str], other: Mapping[str, str], key: str) -> bool:
    return one.get(key) == other.get(key)


def _incomplete(record: Record) -> list[str]:
    scored, whole = record.test["samples"], record.dataset["test_samples"]
    return [] if scored == whole else [f"{name_of(record)} counts {scored} of {whole} test samples"]
