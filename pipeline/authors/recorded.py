"""paper/golden: numbers that the authors' code computed (paper/golden/README.md), without their code."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import avg_pool2d

NETWORKS = ("sresnet", "sresnet_boosting", "sresnet_n2_100classes", "sresnet_nm")
STEPS = range(3)
"""Recorded optimizer steps of each network."""


@dataclass(frozen=True)
class Recorded:
    """What their code computed with one network, float64."""

    values: dict[str, Tensor]
    settings: dict[str, str]

    @property
    def leak(self) -> float:
        return float(self.settings["leak"])

    @property
    def boosting(self) -> bool:
        return self.settings["boosting"] == "True"

    def state_dict(self, part: str) -> dict[str, Tensor]:
        """Values under `part`/, by the authors' names."""
        prefix = f"{part}/"
        return {name.removeprefix(prefix): value for name, value in self.values.items() if name.startswith(prefix)}

    def input(self, part: str) -> Tensor:
        """What the network gets: images, or the counts of events at half their resolution."""
        value = self.values[f"{part}/input"]
        if value.dtype != torch.uint8:
            return value
        return avg_pool2d(value.double().flatten(0, 1), 2).unflatten(0, value.shape[:2])


@cache
def recorded_network(folder: Path, name: str) -> Recorded:
    """The numbers of one network."""
    path = folder / f"{name}.safetensors"
    with safe_open(path, framework="pt") as file:
        settings = file.metadata()
        values = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    inputs = folder / f"{name}_inputs.npz"
    if inputs.exists():
        values |= {key: torch.from_numpy(value) for key, value in np.load(inputs).items()}
    return Recorded(values, settings)
