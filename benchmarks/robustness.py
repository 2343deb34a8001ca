"""Accuracy of a trained network on recordings with lost events or noise: python -m benchmarks.robustness RUN...

In the stored frames, whose values are event counts, each event is dropped with a given probability (a binomial of each
count), or noise is added: events at random pixels, polarities and frames, in a given proportion to the recording's own
(Poisson). Both happen after slicing into frames, so slices stay those of the whole recording. Only the test split is
changed. There is one random draw per sample; the variation between draws is not measured.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.evaluate.statistics import percent, wilson
from pipeline.evaluate.trained import read_network
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, write_whole
from pipeline.protocol import params
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import describe
from pipeline.protocol.inputs import prepare
from pipeline.report.study.grid import ROBUSTNESS

DROPPED = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
NOISE = (0.1, 0.25, 0.5, 1.0)
DRAW = 0
"""Random seed for dropping and adding events."""
Counts = npt.NDArray[Any]
Change = Literal["dropped", "noise"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table and writes the result. Raises InputError."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="trained runs of params.yaml on event recordings")
    parser.add_argument("--output", type=Path, default=paths.RESULTS / ROBUSTNESS, help="file of the result")
    chosen = parser.parse_args(arguments)
    result = {name: of_run(name) for name in chosen.runs}
    write_whole(chosen.output, json.dumps(result, indent=1).encode() + b"\n")
    print(f"written to {chosen.output}")


def of_run(name: str) -> dict[str, Any]:
    """Number of correct samples under each change. Raises InputError for images."""
    run, experiment = params.load_run(name)
    store, model = Store(paths.arrow(run.dataset), "test"), paths.artifacts(run.experiment, run.seed)
    if store.kind != "frames":
        raise InputError(f"{name}: {store.title} holds images; events are dropped from recordings")
    network = read_network(model / "model.safetensors").eval()
    changes: list[tuple[Change, float]] = [("dropped", part) for part in DROPPED] + [("noise", part) for part in NOISE]
    rows = [row(network, store, experiment.training, change, part) for change, part in changes]
    for one in rows:
        print(f"{name}: {one['change']} {one['part']:.2f}: {one['accuracy']:.2f} %", flush=True)
    about = {
        "title": store.title,
        "samples": len(store),
        "model": sha256(model / "model.safetensors"),
        "machine": describe(torch.device("cpu")),
    }
    return about | {"seed": run.seed, "draw": DRAW, "rows": rows}


@torch.no_grad()
def row(network: SResNet, store: Store, training: TrainingConfig, change: Change, part: float) -> dict[str, Any]:
    """Number of correct samples; each sample has its own random numbers, the same for every network."""
    size, correct = 2 * training.batch_size, 0
    for start in range(0, len(store), size):
        batch = np.arange(start, min(start + size, len(store)))
        pairs = zip(store.read(batch), batch, strict=True)
        counts = np.stack([changed(one, change, part, np.random.default_rng((DRAW, int(at)))) for one, at in pairs])
        logits = network(prepare(counts, store.scale, training, torch.device("cpu")))
        correct += int((logits.argmax(1).numpy() == store.labels[batch]).sum())
    low, high = wilson(correct, len(store))
    return {
        "change": change,
        "part": part,
        "correct": correct,
        "accuracy": percent(correct, len(store)),
        "low": low,
        "high": high,
    }


def changed(counts: Counts, change: Change, part: float, random: np.random.Generator) -> Counts:
    """Counts (T, 2, H, W) of a recording without a share `part` of its events, or with noise of that share added."""
    if change == "dropped":
        return random.binomial(counts, 1.0 - part)
    return counts + random.poisson(part * counts.mean(), counts.shape)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
