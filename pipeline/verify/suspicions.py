"""What an honest run can show too, and a reader has to know before believing a number: no break, but said aloud."""

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.contents import between_parts
from pipeline.data.store import Store
from pipeline.ground.errors import InputError
from pipeline.judge.audit import run_folder
from pipeline.report.split_manifest import split_manifest
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.soundness import kept_epochs
from pipeline.verify.titles import unpinned_titles
from pipeline.verify.weights import load_weights

Ranges = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
RANGES = 16
"""Of equal width up to 255; the last holds all counts above."""
SAMPLES = 500
"""Of each split at most, evenly spread: frames of all recordings of a large dataset would not fit into memory."""
_NAMED = 10
"""Seeds; a seed can be a number of 63 bits."""
_VALUES = 65_536
"""Looked at together."""
TELLING = 0.9
"""Share of the test samples whose class one pixel tells, from which on it is said."""


def suspicions(report: ReportFolder) -> Iterator[str]:
    """All of them, a line each, and what could not be looked at."""
    checks: list[Callable[[ReportFolder], Iterator[str]]] = [
        unpinned_titles,
        shared_samples,
        left_out_seeds,
        strayed_scores,
    ]
    if report.root is not None:
        checks += [telling_pixels, untrained]
    for check in checks:
        try:
            yield from check(report)
        except InputError as error:
            yield f"not looked at: {error}"


def shared_samples(report: ReportFolder) -> Iterator[str]:
    """Samples of one part of a split that hold what a sample of another part holds."""
    seen = set()
    for record in report.audit.records:
        dataset, percent = str(record.dataset["name"]), record.training["validation_percent"]
        if (dataset, percent) not in seen:
            seen.add((dataset, percent))
            folder = report.evidence / "data" / "arrow" / dataset
            for same in between_parts(split_manifest(dataset, folder, percent).duplicates):
                yield f"{dataset}: {same}; what is tested was trained on"


def left_out_seeds(report: ReportFolder) -> Iterator[str]:
    """Seeds between those of this profile that are not there: results may have been chosen."""
    found: dict[str, list[int]] = {}
    for record in report.audit.held:
        found.setdefault(record.experiment, []).append(record.seed)
    for experiment, seeds in sorted(found.items()):
        if missing := max(seeds) + 1 - len(set(seeds)):
            first = list(islice((seed for seed in count() if seed not in seeds), min(missing, _NAMED)))
            more = f" and {missing - len(first)} more" if missing > len(first) else ""
            yield f"{experiment}: no result of seed {', '.join(map(str, first))}{more}, but of seed {max(seeds)}"


def strayed_scores(report: ReportFolder) -> Iterator[str]:
    """Test scores that the history has otherwise: evaluated on another processor, or other weights were kept."""
    for record, stated, derived in kept_epochs(report):
        if abs(stated - derived) > 1e-9:
            run = f"{record.experiment}-{record.seed}"
            yield f"{run}: its history says {stated} % on the test set at the epoch kept, its predictions {derived} %"


def untrained(report: ReportFolder) -> Iterator[str]:
    """Biases and gains that no training moved."""
    assert report.root is not None, "asked with a checkout"
    for record in report.audit.records:
        weights = load_weights(report.root / run_folder(record) / "model.safetensors")
        for end, plural, start in (("bias", "biases", 0.0), ("gain", "gains", 1.0)):
            values = [value for name, value in weights.items() if name.endswith(f"norm.{end}")]
            if still := sum(bool((value == start).all()) for value in values):
                run = f"{record.experiment}-{record.seed}"
                yield f"{run}: {still} of {len(values)} layers have only {plural} of {start:g}, as before any training"


def telling_pixels(report: ReportFolder) -> Iterator[str]:
    """Datasets of the checkout in which a single value of an image or recording tells the class."""
    assert report.root is not None, "asked with a checkout"
    for dataset in sorted({str(record.dataset["name"]) for record in report.audit.records}):
        share = best_single_value(report.root / "data" / "arrow" / dataset)
        if share >= TELLING:
            yield f"{dataset}: one value of a sample tells the class of {100 * share:.0f} % of the test samples"


def best_single_value(folder: Path) -> float:
    """The greatest share of test samples that one value of a sample classifies, by what is learnt from the training
    samples: for each range of that value, the class that is most frequent there. Raises InputError.
    """
    train, test = Store(folder, "train"), Store(folder, "test")
    known, labels = _some(train)
    asked, wanted = _some(test)
    parts = range(0, known.shape[1], _VALUES)
    return max(
        float(_right(known[:, at : at + _VALUES], labels, asked[:, at : at + _VALUES], wanted).max()) for at in parts
    )


def _right(known: Ranges, labels: Labels, asked: Ranges, wanted: Labels) -> npt.NDArray[np.float64]:
    """For each value, the share of the asked samples that it classifies."""
    right = np.zeros(known.shape[1])
    for value in range(RANGES):
        times = np.stack([(known[labels == label] == value).sum(0) for label in range(labels.max() + 1)])
        guess = times.argmax(0)
        right += ((asked == value) & (wanted[:, None] == guess)).sum(0)
    return right / len(wanted)


def _some(store: Store) -> tuple[Ranges, Labels]:
    """The values of up to 500 samples, (samples, values), each as the place of its range, and their labels."""
    chosen = np.unique(np.linspace(0, len(store) - 1, SAMPLES, dtype=np.int64))
    pixels = store.read(chosen).reshape(len(chosen), -1)
    return np.minimum(pixels // (256 // RANGES), RANGES - 1).astype(np.uint8), store.labels[chosen]
