"""The part of a training that Ray Train's controller imports; it forwards the job pickled, so only workers load
torch."""

import pickle
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """Result that the first worker returns."""

    peak_memory_bytes: int
    """Peak resident memory of the first worker's process; without other workers, Ray's own processes and the GPU."""
    code: str
    """Digest of the code that it ran."""
    drained: tuple[str, ...] = ()
    """Addresses of nodes that Ray announced to take away, for which it stopped before the end."""

    def summary(self) -> tuple[str, int]:
        """A note for the stage's record, and the peak memory (bytes)."""
        return f"trained by code {self.code[:16]}", self.peak_memory_bytes


def run_shipped(config: dict[str, bytes]) -> TrainingOutcome:
    """Runs one worker; config["work"] is a pickled WorkerJob."""
    from pipeline.train.on_ray import run_worker  # torch takes seconds to import

    return run_worker(pickle.loads(config["work"]))
