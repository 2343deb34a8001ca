"""Configurations as values again, from what a record holds of them."""

from collections.abc import Mapping
from typing import Any

from models.config import NetworkConfig
from pipeline.protocol.config import TrainingConfig


def network_config(stored: Mapping[str, Any]) -> NetworkConfig:
    """Of a recorded network."""
    return NetworkConfig(**stored)


def training_config(stored: Mapping[str, Any]) -> TrainingConfig:
    """Of a recorded training, whose lists are tuples again."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return TrainingConfig(**values)
