"""A network's file: the same network gives the same bytes and loads unchanged; other files are refused."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.checkpoint import Header, load_network, save_network
from models.sresnet import SResNet
from tests.models.small import small_inputs, small_network

KINDS: list[dict[str, Any]] = [
    {},
    {"frames": True, "precision": "bfloat16"},
    {"readout": "boosting", "normalization": "tdbn", "blocks": 2},
]


def used_network(**parts: Any) -> SResNet:
    """A float32 network whose running statistics have moved."""
    model = small_network(**parts).float()
    model.train()(small_inputs(model).float())
    return model


@pytest.mark.parametrize("parts", KINDS)
def test_round_trip(tmp_path: Path, parts: dict[str, Any]) -> None:
    written = used_network(**parts)
    save_network(written, tmp_path / "model.safetensors")
    read = load_network(tmp_path / "model.safetensors")
    assert read.config == written.config
    assert (read.input_shape, read.classes, read.frames) == (written.input_shape, written.classes, written.frames)
    assert read.state_dict().keys() == written.state_dict().keys()
    for name, value in written.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name
    inputs = small_inputs(written).float()
    assert torch.equal(read.eval()(inputs), written.eval()(inputs))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "other", "again")]
    save_network(used_network(), paths[0])
    save_network(used_network(), paths[1])
    save_network(load_network(paths[0]), paths[2])
    first, *others = [path.read_bytes() for path in paths]
    assert all(content == first for content in others)


def test_any_change_of_a_number_changes_the_bytes(tmp_path: Path) -> None:
    model = used_network()
    save_network(model, tmp_path / "one")
    model.stem.norm.running_var[0, 0] += 1e-3
    save_network(model, tmp_path / "other")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


Tensors = dict[str, torch.Tensor]


def changed(path: Path, change: Callable[[Tensors, Any], object]) -> None:
    """Writes a sound network, but for what `change` does to its tensors and header."""
    save_network(used_network(), path)
    with safe_open(path, framework="pt") as file:
        network = json.loads(file.metadata()["network"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    change(tensors, network)
    save_file(tensors, path, metadata={"network": json.dumps(network)})


def refused(path: Path) -> str:
    """The error of a reader, without the path that it begins with."""
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"model\.safetensors: ") as caught:
        load_network(path)
    assert time.monotonic() - start < 1
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "train again" in text
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize("damage", [lambda b: b[:-10], lambda b: b[:20], lambda b: b"", lambda b: b"\xff" * 8 + b[8:]])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "model.safetensors"
    save_network(used_network(), path)
    path.write_bytes(damage(path.read_bytes()))
    assert refused(path).startswith("damaged, or not a safetensors file (")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (None, "not written by this project: metadata has no key, expected network"),
        ({"format": "pt"}, "not written by this project: metadata has ['format'], expected network"),
        ({"network": "not JSON"}, "metadata, network: not JSON ("),
        ({"network": "[]"}, "metadata, network is '[]', expected keys with values"),
        ({"network": "[" * 100_000}, "metadata, network: not JSON (maximum recursion"),
    ],
)
def test_another_header_is_named(tmp_path: Path, metadata: dict[str, str] | None, reason: str) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    assert refused(path).startswith(reason)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10134368\n")
    assert refused(path).startswith("damaged, or not a safetensors file (")
    with pytest.raises(ValueError, match="a folder, expected a network file"):
        load_network(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda network: network.pop("config"), "metadata, network.config: missing"),
        (lambda network: network["config"].pop("leak"), "metadata, network.config.leak: missing"),
        (
            lambda network: network["config"].update(normalization="layer"),
            "metadata, network.config.normalization is 'layer', expected one of bntt, ",
        ),
        (lambda network: network["config"].update(leak=2.0), "leak must lie in "),
        (lambda network: network["config"].update(leak=float("nan")), "leak must lie in "),
        (
            lambda network: network["config"].update(blocks="one"),
            "metadata, network.config.blocks is 'one', expected int",
        ),
        (
            lambda network: network["config"].update(blocks=True),
            "metadata, network.config.blocks is True, expected int",
        ),
        (lambda network: network["config"].update(unknown=1), "metadata, network.config.unknown: unknown"),
        (lambda network: network.update(unknown=1), "metadata, network.unknown: unknown"),
        (lambda network: network.update(frames="yes"), "metadata, network.frames is 'yes', expected bool"),
        (
            lambda network: network.update(input_shape="3x8x8"),
            "metadata, network.input_shape is '3x8x8', expected list",
        ),
        (lambda network: network.update(classes=10**30), "network.input_shape and network.classes are (3, 8, 8, 1000"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, change: Callable[[Any], object], reason: str) -> None:
    path = tmp_path / "model.safetensors"
    changed(path, lambda tensors, network: change(network))
    assert refused(path).startswith(reason)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"blocks": 10**6}, "000000"),
        ({"width": 10**9}, "1000000000"),
        ({"width": 3}, "tensor stem.conv.weight: F32 of shape (2, 3, 3, 3), expected F32 (float32) of shape (3, "),
        ({"time_steps": 10**8}, "100000000"),
        ({"time_steps": 5}, "tensor stem.norm.gain: F32 of shape (3, 2), expected F32 (float32) of shape (5, 2)"),
    ],
)
def test_sizes_that_are_not_those_of_the_tensors_take_no_memory(
    tmp_path: Path, sizes: dict[str, int], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    changed(path, lambda tensors, network: network["config"].update(sizes))
    built: list[torch.device] = []
    build = Header.build
    monkeypatch.setattr(Header, "build", lambda self: built.append(torch.get_default_device()) or build(self))
    assert reason in refused(path)
    assert {device.type for device in built} <= {"meta"}


def replaced(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({name: change(tensors[name])})


def first(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Another first number."""
    return lambda tensor: torch.cat([torch.tensor([value]), tensor.flatten()[1:]]).view_as(tensor)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: tensors.pop("stem.norm.gain"), "tensors missing: ['stem.norm.gain']"),
        (lambda tensors: tensors.update(more=torch.zeros(1)), "tensors that the network does not have: ['more']"),
        (replaced("stem.norm.gain", torch.Tensor.flatten), "tensor stem.norm.gain: F32 of shape (6,), expected F32"),
        (replaced("stem.norm.gain", torch.Tensor.half), "tensor stem.norm.gain: F16 of shape (3, 2), expected F32"),
        (
            replaced("stem.norm.gain", torch.Tensor.bfloat16),
            "tensor stem.norm.gain: BF16 of shape (3, 2), expected F32",
        ),
        (replaced("stem.norm.gain", torch.Tensor.double), "tensor stem.norm.gain: F64 of shape (3, 2), expected F32"),
        (replaced("stem.norm.gain", torch.Tensor.int), "tensor stem.norm.gain: I32 of shape (3, 2), expected F32"),
        (replaced("stem.norm.gain", first(math.nan)), "tensor stem.norm.gain: 1 of 6 values are NaN or infinite"),
        (replaced("stem.norm.gain", first(math.inf)), "tensor stem.norm.gain: 1 of 6 values are NaN or infinite"),
        (replaced("stem.norm.running_var", first(-0.5)), "tensor stem.norm.running_var: -0.5 is a negative variance"),
    ],
)
def test_a_wrong_tensor_is_named(tmp_path: Path, change: Callable[[Tensors], object], reason: str) -> None:
    path = tmp_path / "model.safetensors"
    changed(path, lambda tensors, network: change(tensors))
    assert reason in refused(path)
