"""Trains one run of params.yaml: python -m stages.train digits-0"""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from pipeline import paths, stage
from pipeline.curves import reference, watched
from pipeline.data.params import load_cluster
from pipeline.params import load_run
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.state import State, load


def main(name: str) -> dict[str, Any]:
    """Trains the run, or goes on where it stopped, and writes its artifacts."""
    (run, experiment), cluster = load_run(name), load_cluster()
    job = Job(
        name=name,
        network=experiment.model,
        training=experiment.training,
        seed=run.seed,
        data=paths.arrow(run.dataset),
        runs=paths.ROOT / cluster.storage,
        checkpoint_seconds=cluster.checkpoint_seconds,
        recompute=cluster.recompute,
    )
    record: dict[str, Any] = {"note": "taken from the finished state in runs/, not trained again"}
    if finished(job) is None:
        from pipeline.train.cluster import fit  # Ray takes seconds to import

        curves = reference(paths.RESULTS, run.experiment, asdict(job.network), asdict(job.training))
        with watched(curves, run.seed, job.checkpoint(), lambda: (load(job.checkpoint()) or State()).history, warn):
            record = {"note": "trained", "peak_memory_bytes": fit(job, cluster).peak_memory_bytes}
    print(f"{name}: {record['note']}")
    export(job, run.experiment, run.dataset, paths.artifacts(run.experiment, run.seed))
    return record


def warn(line: str) -> None:
    print(f"WARNING: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one run of params.yaml.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    arguments = parser.parse_args()
    stage.run(f"train@{arguments.run}", lambda: main(arguments.run))
