"""What a record means by choices that came after it: the authors', which was the only one when it was made.

Records are evidence and stay as they are; whoever compares their configurations reads them through this.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.config import NetworkConfig, recorded
from pipeline.train.config import TrainingConfig

LATER_IN_TRAINING: Mapping[str, Any] = MappingProxyType({"loss": "cross-entropy", "tet_lambda": 0.0})


def network(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a recorded network (models.config.LATER)."""
    return recorded(stored)


def training(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol of a recorded training."""
    return {**LATER_IN_TRAINING, **stored}


def network_config(stored: Mapping[str, Any]) -> NetworkConfig:
    return NetworkConfig(**network(stored))


def training_config(stored: Mapping[str, Any]) -> TrainingConfig:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in training(stored).items()
    }
    return TrainingConfig(**values)
