"""Typed configurations from the plain values in a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from models.bounds import STRICT, Natural
from models.config import NetworkConfig
from pipeline.ground.schema import check_parts, read_as
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.input_rule import Inputs


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """config.json: configuration of a training, and digests of its files."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    experiment: str
    seed: Natural
    dataset: str
    network: dict[str, Any]
    training: dict[str, Any]
    inputs: dict[str, Any]
    data_digest: str
    identity: str
    platforms: list[str]
    parameters: Natural
    sha256: dict[str, str]
    """Digests of the files beside it."""


def read_run_config(path: Path) -> dict[str, Any]:
    """The content of a config.json by key. Raises InputError."""
    about = ("the configuration of a training", "a training writes it")
    config = read_as(RunConfig, path, *about)
    check_parts(config, {"network": NetworkConfig, "training": TrainingConfig, "inputs": Inputs}, path, *about)
    return vars(config)


def network_config(stored: Mapping[str, Any]) -> NetworkConfig:
    """The configuration of a recorded network."""
    return NetworkConfig(**stored)


def training_config(stored: Mapping[str, Any]) -> TrainingConfig:
    """The configuration of a recorded training; lists become tuples."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return TrainingConfig(**values)
