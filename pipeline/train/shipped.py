"""The part of a training that Ray Train's controller imports; it forwards the job pickled, so only workers load
torch."""

import pickle

from pipeline.train.outcome import TrainingOutcome


def run_shipped(config: dict[str, bytes]) -> TrainingOutcome:
    """Runs one worker; config["work"] is a pickled WorkerJob."""
    from pipeline.train.ray_worker import run_worker  # torch takes seconds to import

    return run_worker(pickle.loads(config["work"]))
