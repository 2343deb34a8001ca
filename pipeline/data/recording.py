"""The events of a recording as arrays."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.data.counts import Counts

DVS128 = 128
"""Width and height of the DVS128's sensor (pixels)."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """N events in the order of the file.

    x, y and p may be narrower integers than int64; x and y are signed.
    """

    t: npt.NDArray[np.int64]
    """Microseconds."""
    x: npt.NDArray[np.int64]
    """Column, 0 to width - 1."""
    y: npt.NDArray[np.int64]
    """Row, 0 to height - 1."""
    p: npt.NDArray[np.int64]
    """Polarity as in the file, 0 or 1."""
    width: int
    height: int
    counts: Counts = field(default_factory=dict)
    """Numbers of events and packets in the file, and of those left out (not pixel events)."""

    def __len__(self) -> int:
        return len(self.t)
