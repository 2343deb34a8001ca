"""Warnings: facts that honest runs can show too, but that a reader should know before trusting a number."""

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
"""Number of equal ranges of pixel values up to 255; the last includes all counts above."""
SAMPLES = 500
"""Maximum samples per split, evenly spread: all frames of a large dataset would not fit in memory."""
_NAMED = 10
"""Maximum number of missing seeds to name; a seed can be any 63-bit number."""
_VALUES = 65_536
"""Number of values per sample that are processed together."""
TELLING = 0.9
"""Share of test samples that a single value classifies, from which there is a warning."""


def suspicions(report: ReportFolder) -> Iterator[str]:
    """All warnings, one line each, and the checks that could not be done."""
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
            yield f"not checked: {error}"


def shared_samples(report: ReportFolder) -> Iterator[str]:
    """Samples whose content also occurs in another part of the split."""
    seen = set()
    for record in report.audit.records:
        dataset, percent = str(record.dataset["name"]), record.training["validation_percent"]
        if (dataset, percent) not in seen:
            seen.add((dataset, percent))
            folder = report.evidence / "data" / "arrow" / dataset
            for same in between_parts(split_manifest(dataset, folder, percent).duplicates):
                yield f"{dataset}: {same}; test samples were trained on"


def left_out_seeds(report: ReportFolder) -> Iterator[str]:
    """Missing seeds below the highest one of an experiment: results may have been selected."""
    found: dict[str, list[int]] = {}
    for record in report.audit.held:
        found.setdefault(record.experiment, []).append(record.seed)
    for experiment, seeds in sorted(found.items()):
        if missing := max(seeds) + 1 - len(set(seeds)):
            first = list(islice((seed for seed in count() if seed not in seeds), min(missing, _NAMED)))
            more = f" and {missing - len(first)} more" if missing > len(first) else ""
            yield f"{experiment}: no result of seed {', '.join(map(str, first))}{more}, but of seed {max(seeds)}"


def strayed_scores(report: ReportFolder) -> Iterator[str]:
    """Test scores that differ from the history: evaluated on another processor, or other weights were kept."""
    for record, stated, derived in kept_epochs(report):
        if abs(stated - derived) > 1e-9:
            run = f"{record.experiment}-{record.seed}"
            yield f"{run}: its history says {stated} % on the test set at the epoch kept, its predictions {derived} %"


def untrained(report: ReportFolder) -> Iterator[str]:
    """Biases and gains that still have their initial values."""
    assert report.root is not None, "asked with a checkout"
    for record in report.audit.records:
        weights = load_weights(report.root / run_folder(record) / "model.safetensors")
        for end, plural, start in (("bias", "biases", 0.0), ("gain", "gains", 1.0)):
            values = [value for name, value in weights.items() if name.endswith(f"norm.{end}")]
            if still := sum(bool((value == start).all()) for value in values):
                run = f"{record.experiment}-{record.seed}"
                yield f"{run}: {still} of {len(values)} layers have only {plural} of {start:g}, as before any training"


def telling_pixels(report: ReportFolder) -> Iterator[str]:
    """Datasets of the checkout in which a single value of an image or recording reveals the class."""
    assert report.root is not None, "asked with a checkout"
    for dataset in sorted({str(record.dataset["name"]) for record in report.audit.records}):
        share = best_single_value(report.root / "data" / "arrow" / dataset)
        if share >= TELLING:
            yield f"{dataset}: one value of a sample reveals the class of {100 * share:.0f} % of the test samples"


def best_single_value(folder: Path) -> float:
    """The largest share of test samples that a single value classifies. For each range of that value, the prediction is
    the most frequent class among the training samples. Raises InputError.
    """
    train, test = Store(folder, "train"), Store(folder, "test")
    known, labels = _some(train)
    tested, wanted = _some(test)
    parts = range(0, known.shape[1], _VALUES)
    return max(
        float(_right(known[:, at : at + _VALUES], labels, tested[:, at : at + _VALUES], wanted).max()) for at in parts
    )


def _right(known: Ranges, labels: Labels, tested: Ranges, wanted: Labels) -> npt.NDArray[np.float64]:
    """For each value, the share of the tested samples that it classifies."""
    right = np.zeros(known.shape[1])
    for value in range(RANGES):
        times = np.stack([(known[labels == label] == value).sum(0) for label in range(labels.max() + 1)])
        guess = times.argmax(0)
        right += ((tested == value) & (wanted[:, None] == guess)).sum(0)
    return right / len(wanted)


def _some(store: Store) -> tuple[Ranges, Labels]:
    """The values of up to SAMPLES samples, (samples, values), as indices of their ranges, and the labels."""
    chosen = np.unique(np.linspace(0, len(store) - 1, SAMPLES, dtype=np.int64))
    pixels = store.read(chosen).reshape(len(chosen), -1)
    return np.minimum(pixels // (256 // RANGES), RANGES - 1).astype(np.uint8), store.labels[chosen]
