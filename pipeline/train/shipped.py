"""What Ray Train's controller loads of a training: it hands the rest on unread, so that only workers import torch."""

import pickle
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """What the first worker brings back."""

    peak_memory_bytes: int
    code: str
    """Digest of the code that it ran."""

    def summary(self) -> tuple[str, int]:
        """What the record says of it, and its memory (bytes)."""
        return f"trained by code {self.code[:16]}", self.peak_memory_bytes


def run_shipped(config: dict[str, bytes]) -> TrainingOutcome:
    """The life of one worker, which is told a pickled WorkerJob."""
    from pipeline.train.on_ray import run_worker  # torch takes seconds to import

    return run_worker(pickle.loads(config["work"]))
