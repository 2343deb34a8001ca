"""A network in one safetensors file, its configuration in the header."""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.config import NetworkConfig, recorded
from models.sresnet import SResNet


def save(model: SResNet, path: Path) -> None:
    """Writes the network; the same network gives the same bytes.

    There is one metadata key, since safetensors writes several in an order that changes from run to run.
    """
    network = {
        "config": asdict(model.config),
        "input_shape": model.input_shape,
        "classes": model.classes,
        "frames": model.frames,
    }
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, path, metadata={"network": json.dumps(network, sort_keys=True)})


def load(path: Path) -> SResNet:
    """The network of a file that `save` wrote. Raises ValueError if it is something else or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            network = json.loads((file.metadata() or {})["network"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        config = NetworkConfig(**recorded(network.pop("config")))
        model = SResNet(config, **(network | {"input_shape": tuple(network["input_shape"])}))
        model.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: not a network of this project, or damaged ({error}); train it again") from None
    return model
