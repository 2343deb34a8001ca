"""Reference bands for each epoch of a training, as plain numbers for the workers; curves.py computes them."""

from collections.abc import Mapping
from dataclasses import dataclass

EpochRow = Mapping[str, float | None]
"""A row of history.csv."""
Band = list[tuple[float, float]]
"""(low, high) for each epoch."""


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Bands from the recorded trainings of one recipe."""

    trainings: int
    """Number of recorded trainings."""
    of: Mapping[str, Band]
    """Band by column of history.csv."""

    def outside(self, row: EpochRow) -> list[str]:
        """A line for each value of an epoch that is outside its band."""
        lines, epoch = [], int(row["epoch"] or 0)
        for measure, band in self.of.items():
            value = row[measure]
            for low, high in band[epoch - 1 : epoch]:
                if value is not None and not low <= value <= high:
                    lines.append(
                        f"epoch {epoch}: {measure} {value:.4g} is outside {low:.4g} to {high:.4g}, the band of "
                        f"{self.trainings} recorded trainings"
                    )
        return lines
