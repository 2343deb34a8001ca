"""Checks the files of a training before anything is computed from them: each by itself, against each other, against
params.yaml and against the data."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models import checkpoint
from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.evaluate.ledger import scores_by_epoch
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256

_CONFIG_TYPES: Mapping[str, type] = {
    "experiment": str,
    "seed": int,
    "dataset": str,
    "network": dict,
    "training": dict,
    "inputs": dict,
    "data_digest": str,
    "identity": str,
    "platforms": list,
    "parameters": int,
    "sha256": dict,
}
"""Keys and types of config.json; `sha256` has the digests of the files beside it."""
_REMEDY = "train again: `dvc repro` does"


def check_trained(folder: Path, data: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of a finished training, checked.

    `wanted` has the values of params.yaml for experiment, seed, dataset, network and training. Raises InputError that
    names the file, what is wrong in it and what was expected.
    """
    path, weights, history = (folder / name for name in ("config.json", "model.safetensors", "history.csv"))
    config, model = read_config(path), read_network(weights)
    for where, expected, found in config_differences(json.loads(json.dumps(wanted)), config):
        raise InputError(f"{path}: {where} is {found!r}, but {expected!r} in params.yaml; {_REMEDY}")
    for where, expected, found in config_differences(config["network"], asdict(model.config)):
        raise InputError(f"{weights}: {where} of the network is {found!r}, but {expected!r} in config.json; {_REMEDY}")
    rows = Store(data, "train").digest
    if config["data_digest"] != rows:
        raise InputError(f"{path}: trained on rows {config['data_digest'][:16]}, but {data} has {rows[:16]}; {_REMEDY}")
    check_fits(weights, model, Store(data, "test"))
    scores_by_epoch(history)
    check_digests(folder, config)
    return config


def read_network(path: Path) -> SResNet:
    """The network of a model.safetensors. Raises InputError."""
    try:
        return checkpoint.load_network(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {checkpoint.NETWORK_REMEDY}") from None
    except (OSError, ValueError) as error:
        raise InputError(str(error)) from None


def read_config(path: Path) -> dict[str, Any]:
    """The content of a config.json. Raises InputError."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {checkpoint.NETWORK_REMEDY}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON, or damaged ({error}); {_REMEDY}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected keys with values, found {str(config)[:60]!r}; {_REMEDY}")
    for key, kind in _CONFIG_TYPES.items():
        if type(config.get(key)) is not kind:
            raise InputError(f"{path}: {key} is {config.get(key)!r:.60}, expected {kind.__name__}; {_REMEDY}")
    return config


def config_differences(
    expected: Mapping[str, Any], found: Mapping[str, Any], where: str = ""
) -> list[tuple[str, Any, Any]]:
    """Keys of `expected`, joined by dots, whose value differs in `found`, with both values."""
    wrong = []
    for key, value in expected.items():
        other = found.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            wrong += config_differences(value, other, f"{where}{key}.")
        elif value != other:
            wrong.append((f"{where}{key}", value, other))
    return wrong


def check_fits(file: Path, model: SResNet, store: Store) -> None:
    """Raises InputError unless the network's input shape and number of classes match the split."""
    steps = [model.config.time_steps] if model.frames else []
    takes, has = [*steps, *model.input_shape], list(store.sample_shape)
    if takes != has:
        raise InputError(f"{file}: the network takes samples of shape {takes}, but those of {store.title} have {has}")
    if model.classes != len(store.classes):
        raise InputError(f"{file}: {model.classes} outputs, but {store.title} has {len(store.classes)} classes")


def check_digests(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises InputError if a file is not the one that the training wrote."""
    for name in ("model.safetensors", "history.csv"):
        found, expected = sha256(folder / name), config["sha256"].get(name)
        if found != expected:
            raise InputError(
                f"{folder / name}: SHA-256 {found}, expected {expected} (config.json): the file has changed since the "
                f"training wrote it; {checkpoint.NETWORK_REMEDY}"
            )
