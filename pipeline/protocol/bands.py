"""What each epoch of a training is compared with: plain numbers, which go to the worker (curves.py makes them)."""

from collections.abc import Mapping
from dataclasses import dataclass

EpochRow = Mapping[str, float | None]
"""An epoch of history.csv."""
Band = list[tuple[float, float]]
"""Low and high, an epoch each."""


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Of the recorded trainings of one recipe."""

    trainings: int
    """How many were recorded."""
    of: Mapping[str, Band]
    """By column of history.csv."""

    def outside(self, row: EpochRow) -> list[str]:
        """A line for each value of an epoch that leaves its band."""
        lines, epoch = [], int(row["epoch"] or 0)
        for measure, band in self.of.items():
            value = row[measure]
            for low, high in band[epoch - 1 : epoch]:
                if value is not None and not low <= value <= high:
                    lines.append(
                        f"epoch {epoch}: {measure} {value:.4g} lies outside of {low:.4g} to {high:.4g}, the band of "
                        f"{self.trainings} recorded trainings"
                    )
        return lines
