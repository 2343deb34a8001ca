"""Examples as the stage `evaluate` writes them, and a repository of many runs of the paper's size."""

from pathlib import Path

import numpy as np

from pipeline.audit.audit import make_audit
from pipeline.audit.examples import write_examples
from pipeline.audit.operations import Operations, Work
from pipeline.audit.record import Record
from pipeline.paths import CLAIMS
from pipeline.report.page import make_page, write_page
from tests.audit.made import ABOUT, RECORD, Predictions


class Samples:
    """What write_examples asks of a store."""

    def __init__(self, pixels: np.ndarray, ids: list[str], labels: list[int]) -> None:
        self.pixels, self.ids, self.labels = pixels, ids, np.array(labels)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


def write_pictures(path: Path, pixels: np.ndarray, ids: list[str], labels: list[int], predicted: list[int]) -> None:
    """An examples.parquet of a sample a label, each with its prediction."""
    voltage = np.eye(3, dtype=np.float32)[predicted][:, None]
    predictions = Predictions(about=ABOUT, ids=ids, labels=np.array(labels), voltage=voltage)
    write_examples(Samples(pixels, ids, labels), predictions, path)  # type: ignore[arg-type]


STEPS, EPOCHS, SAMPLES = 50, 70, 10_000
LAYERS = ["stem", *(f"blocks.{block}.{part}" for block in range(18) for part in ("first", "second")), "readout"]
WORK = Work(
    samples=SAMPLES,
    inputs=7_123_456_789,
    nonzero=1_234_567_890,
    dense=987_654_321_012,
    binary=123_456_789_012,
    graded=23_456_789_012,
    graded_units=45_678_901_234,
    real=0,
    normalized=1_638_400_000,
    neurons=1_638_400_000,
)


def many_runs(root: Path, runs: int) -> Path:
    """The page of so many runs, five seeds an experiment, of networks and data of the paper's size; gives its path.

    Every third experiment has 100 classes, the others 10.
    """
    for run in range(runs):
        experiment, seed = f"experiment-{run // 5:02}", run % 5
        _record(run, experiment, seed, 100 if run // 5 % 3 == 1 else 10).write(
            root / "results" / experiment / f"{seed}.json"
        )
        folder = root / "artifacts" / experiment / str(seed)
        folder.mkdir(parents=True)
        lines = [f"{epoch},{99 - 70 / epoch + run / 500:.6f},\n" for epoch in range(1, EPOCHS + 1)]
        (folder / "history.csv").write_text("epoch,train_accuracy,validation_accuracy\n" + "".join(lines))
        pixels = np.random.default_rng(run).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
        write_pictures(folder / "examples.parquet", pixels, ["x", "y", "z"], [0, 1, 2], [0, 1, 2])
    current = sorted((root / "results").glob("*/*.json"))
    audit = make_audit("many", CLAIMS, root / "results", current)
    page = make_page(audit, root, lambda e, s: root / "artifacts" / e / str(s), root / "runs", canaries=[], splits=[])
    return write_page(page, root / "report")[0]


def _record(run: int, experiment: str, seed: int, classes: int) -> Record:
    random = np.random.default_rng(run)
    names = [f"class {i}" for i in range(classes)]
    confusion = random.multinomial(
        SAMPLES // classes, [0.6 / classes] * (classes - 1) + [1 - 0.6 + 0.6 / classes], classes
    )
    correct = int(np.trace(confusion))
    changes = {"samples": SAMPLES, "correct": correct, "top1_percent": 100 * correct / SAMPLES}
    counts = {"correct_by_step": [correct * t // STEPS for t in range(1, STEPS + 1)], "confusion": confusion.tolist()}
    return Record(
        **{name: getattr(RECORD, name) for name in ("training", "parameters", "protocols", "platforms")},
        experiment=experiment,
        seed=seed,
        dataset={**RECORD.dataset, "classes": names, "name": f"data of {classes}", "test_samples": SAMPLES},
        network={**RECORD.network, "time_steps": STEPS},
        test={**RECORD.test, **changes, **counts},
        firing={layer: {"neurons": 1000, "rate": random.random(STEPS).tolist()} for layer in LAYERS},
        digests={
            name: random.bytes(32).hex() for name in ("train_rows", "test_rows", "identity", "model", "predictions")
        },
        operations=Operations(steps=STEPS, layers=dict.fromkeys(LAYERS, WORK)).as_json(),
    )
