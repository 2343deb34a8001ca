"""Trains one run of params.yaml: python -m stages.train digits-0"""

import argparse

from pipeline.ground import paths, stage
from pipeline.train.export import export
from pipeline.train.jobs import Fit, checked_job, train_on
from pipeline.train.placement import already_finished


def main(name: str, fit: Fit | None = None) -> stage.Done:
    """Trains the run, or resumes it, and writes its artifacts; `fit` replaces the training function."""
    job, run, cluster = checked_job(name)
    note, peak = "taken from the finished state in runs/, not trained again", 0
    if not already_finished(job, cluster):
        note, peak = (fit or train_on(cluster))(job)
    print(f"{name}: {note}")
    export(job, run.experiment, run.dataset, paths.artifacts(run.experiment, run.seed))
    return stage.Done(note=note, peak_memory_bytes=peak)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one run of params.yaml.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    key = stage.key_of("train", parser.parse_args().run)
    stage.run_stage(f"train@{key}", lambda: main(key))
