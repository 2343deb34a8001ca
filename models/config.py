"""What an S-ResNet is made of: one frozen value, with the authors' choice first in each list of parts."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The parts and sizes of an S-ResNet; what depends on the data (input shape, classes) is not here."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "strict": True}

    blocks: int
    """n, residual blocks in each of the three stages; the network has 6n + 2 weighted layers. Authors: 6."""
    width: int
    """Filters of the first stage; the second has twice, the third four times as many. Authors: 32."""
    time_steps: int
    """T, time steps of a sample. Authors: 50."""
    leak: float
    """Factor by which a membrane decays in one time step, in (0, 1]. Authors' README: 0.8744."""
    normalization: Literal["bntt", "bn", "tdbn"]
    shortcut: Literal["spike-add"]
    surrogate: Literal["triangle"]
    reset: Literal["subtract"]
    encoding: Literal["direct", "poisson"]
    readout: Literal["mean-voltage", "boosting"]
    precision: Literal["float32", "bfloat16"]
    """Of convolutions and stored activations; statistics, membranes, thresholds and weights are float32 in both."""

    def __post_init__(self) -> None:
        for name in ("blocks", "width", "time_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0.0 < self.leak <= 1.0:
            raise ValueError(f"leak must lie in (0, 1], not {self.leak}")
