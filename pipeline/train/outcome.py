"""What the first worker of a training on Ray returns."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """The end of a training, or of a part of it."""

    peak_memory_bytes: int
    """Peak resident memory of the first worker's process; without other workers, Ray's own processes and the GPU."""
    code: str
    """Digest of the code that it ran."""
    drained: tuple[str, ...] = ()
    """Addresses of nodes that Ray announced to take away, for which it stopped before the end."""

    def summary(self) -> tuple[str, int]:
        """A note for the stage's record, and the peak memory (bytes)."""
        return f"trained by code {self.code[:16]}", self.peak_memory_bytes
