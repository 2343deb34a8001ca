"""Trains one run of params.yaml: python -m stages.train digits-0"""

import argparse
from dataclasses import asdict

from pipeline.data.store import read_manifest
from pipeline.ground import paths, stage
from pipeline.ground.params import load_cluster
from pipeline.protocol.curves import reference
from pipeline.protocol.params import load_run
from pipeline.train.export import export
from pipeline.train.jobs import Fit, job_of, train_on
from pipeline.train.placement import already_finished
from pipeline.train.trainable import check_trainable


def main(name: str, fit: Fit | None = None) -> stage.Done:
    """Trains the run, or resumes it, and writes its artifacts; `fit` replaces the training function."""
    (run, experiment), cluster = load_run(name), load_cluster()
    job = job_of(name, run, experiment, cluster)
    data = read_manifest(job.data, "train")
    check_trainable(f"experiments.{run.experiment}", job.network, job.training, data)
    note, peak = "taken from the finished state in runs/, not trained again", 0
    if not already_finished(job, cluster):
        curves = reference(paths.RESULTS, run.experiment, asdict(job.network), asdict(job.training), data.digest)
        note, peak = (fit or train_on(cluster))(job.compared(curves.bands(run.seed)) if curves else job)
    print(f"{name}: {note}")
    export(job, run.experiment, run.dataset, paths.artifacts(run.experiment, run.seed))
    return stage.Done(note=note, peak_memory_bytes=peak)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one run of params.yaml.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    key = stage.key_of("train", parser.parse_args().run)
    stage.run_stage(f"train@{key}", lambda: main(key))
