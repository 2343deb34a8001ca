"""Trains one run of params.yaml: python -m stages.train digits-0"""

import argparse

from pipeline import paths, stage
from pipeline.data.params import load_cluster
from pipeline.params import load_run
from pipeline.train.export import export, finished
from pipeline.train.job import Job


def main(name: str) -> None:
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
    )
    if finished(job) is None:
        from pipeline.train.cluster import fit  # Ray takes seconds to import

        fit(job, cluster)
    export(job, run.experiment, run.dataset, paths.artifacts(run.experiment, run.seed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one run of params.yaml.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    arguments = parser.parse_args()
    stage.run(f"train@{arguments.run}", lambda: main(arguments.run))
