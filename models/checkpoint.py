"""A network in one safetensors file, its configuration in the header.

A file is not trusted: the header is checked before a network is built from it, each tensor's type and shape before its
memory is allocated, and its values before the network computes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .config import NetworkConfig
from .numbers import unsound
from .sresnet import SResNet

FLOAT32 = "F32"
"""The safetensors name of float32, the type of all tensors here."""
NETWORK_REMEDY = "fetch it again (`dvc pull`) or train again (`dvc repro`)"
"""What to do about a damaged network, for errors."""


_LARGEST_SIZE = 100_000
"""Maximum number of classes, and of pixels per side: more than any dataset has."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a network is built from. Raises ValueError for sizes out of range."""

    config: NetworkConfig
    input_shape: tuple[int, int, int]
    """C, H, W."""
    classes: int
    frames: bool

    def __post_init__(self) -> None:
        sizes = (*self.input_shape, self.classes)
        if len(sizes) != 4 or not all(type(size) is int and 0 < size <= _LARGEST_SIZE for size in sizes):
            raise ValueError(
                f"network.input_shape and network.classes are {str(sizes)[:60]}, expected 4 numbers from 1 to "
                f"{_LARGEST_SIZE:,}"
            )

    def build(self) -> SResNet:
        """A network of this configuration; its weights are not those of a file."""
        return SResNet(self.config, input_shape=self.input_shape, classes=self.classes, frames=self.frames)


def save_network(model: SResNet, path: Path) -> None:
    """Writes the network; the same network gives the same bytes.

    There is one metadata key because safetensors writes several keys in an order that varies between runs.
    """
    header = Header(config=model.config, input_shape=model.input_shape, classes=model.classes, frames=model.frames)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, path, metadata={"network": json.dumps(asdict(header), sort_keys=True)})


def load_network(path: Path) -> SResNet:
    """The network from a file that `save_network` wrote.

    Raises FileNotFoundError, or ValueError that names the file, what is wrong in it and what was expected.
    """
    if path.is_dir():
        raise ValueError(f"{path}: a folder, expected a network file, model.safetensors")
    try:
        return _load(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged, or not a safetensors file ({error}); {NETWORK_REMEDY}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {NETWORK_REMEDY}") from None


def _load(path: Path) -> SResNet:
    with safe_open(path, framework="pt") as file:
        header = read_header(file.metadata() or {})
        stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        check_forms(header, {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in stored.items()})
        tensors = {name: file.get_tensor(name) for name in stored}
    for name, value in tensors.items():
        if reason := unsound(name, value):
            raise ValueError(f"tensor {name}: {reason}")
    model = header.build()
    model.load_state_dict(tensors)
    return model


def read_header(metadata: Mapping[str, str]) -> Header:
    """The header in a file's metadata. Raises ValueError that names the first wrong key."""
    if "network" not in metadata:
        raise ValueError(f"not written by this project: metadata has {sorted(metadata) or 'no key'}, expected network")
    try:
        network = json.loads(metadata["network"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"metadata, network: not JSON ({error})") from None
    check_kinds("network", network, {"config": dict, "input_shape": list, "classes": int, "frames": bool})
    config, kinds = network["config"], get_type_hints(NetworkConfig)
    check_kinds("network.config", config, {field.name: kinds[field.name] for field in fields(NetworkConfig)})
    return Header(**network | {"config": NetworkConfig(**config), "input_shape": tuple(network["input_shape"])})


def check_kinds(where: str, found: Any, expected: Mapping[str, Any]) -> None:
    """Raises ValueError unless `found` has the expected keys, each with a value of its type or of its Literal."""
    if not isinstance(found, dict):
        raise ValueError(f"metadata, {where} is {str(found)[:60]!r}, expected keys with values")  # noqa: TRY004 (the file is wrong)
    for key in sorted(expected.keys() ^ found.keys()):
        raise ValueError(f"metadata, {where}.{key}: {'missing' if key in expected else 'unknown'}")
    for key, kind in expected.items():
        value, choices = found[key], get_args(kind)
        fits = value in choices if choices else type(value) in {float: (float, int)}.get(kind, (kind,))
        if not fits:
            wanted = f"one of {', '.join(map(str, choices))}" if choices else kind.__name__
            raise ValueError(f"metadata, {where}.{key} is {value!r:.60}, expected {wanted}")


def check_forms(header: Header, stored: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Raises ValueError unless a file has exactly the network's tensors, by name, type and shape. Allocates none."""
    blocks = len([name for name in stored if re.fullmatch(r"blocks\.\d+\.first\.conv\.weight", name)])
    if blocks != 3 * header.config.blocks:
        raise ValueError(
            f"tensors of {blocks} blocks, expected {3 * header.config.blocks}: 3 times network.config.blocks"
        )
    expected = without_memory(header).state_dict()
    missing, unknown = sorted(expected.keys() - stored.keys()), sorted(stored.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(f"tensors missing: {missing[:3]}; tensors that the network does not have: {unknown[:3]}")
    for name, value in expected.items():
        dtype, shape = stored[name]
        if (dtype, shape) != (FLOAT32, tuple(value.shape)):
            raise ValueError(
                f"tensor {name}: {dtype} of shape {shape}, expected {FLOAT32} (float32) of shape {tuple(value.shape)}"
            )


def without_memory(header: Header) -> SResNet:
    """The network on the meta device, whose tensors have no memory.

    Raises ValueError if a tensor would be too large.
    """
    try:
        with torch.device("meta"):
            return header.build()
    except RuntimeError as error:
        raise ValueError(f"the sizes in the header are too large for a tensor ({error})") from None
