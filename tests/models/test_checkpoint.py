"""A network's file: the same network gives the same bytes, comes back whole, and nothing else is taken for one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.checkpoint import load, save
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
    save(written, tmp_path / "model.safetensors")
    read = load(tmp_path / "model.safetensors")
    assert read.config == written.config
    assert (read.input_shape, read.classes, read.frames) == (written.input_shape, written.classes, written.frames)
    assert read.state_dict().keys() == written.state_dict().keys()
    for name, value in written.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name
    inputs = small_inputs(written).float()
    assert torch.equal(read.eval()(inputs), written.eval()(inputs))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "other", "again")]
    save(used_network(), paths[0])
    save(used_network(), paths[1])
    save(load(paths[0]), paths[2])
    first, *others = [path.read_bytes() for path in paths]
    assert all(content == first for content in others)


def test_any_change_of_a_number_changes_the_bytes(tmp_path: Path) -> None:
    model = used_network()
    save(model, tmp_path / "one")
    model.stem.norm.running_var[0, 0] += 1e-3
    save(model, tmp_path / "other")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b[:-10], lambda b: b[:20], lambda b: b"", lambda b: b"\xff" * 8 + b[8:]])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "model.safetensors"
    save(used_network(), path)
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"network": "not JSON"}])
def test_another_safetensors_file_is_named(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    assert_refused(path)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10134368\n")
    assert_refused(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.pop("config"),
        lambda network: network["config"].pop("leak"),
        lambda network: network["config"].update(normalization="layer"),
        lambda network: network["config"].update(width=3),
        lambda network: network.update(unknown=1),
    ],
)
def test_a_network_of_another_version_is_named(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "model.safetensors"
    save(used_network(), path)
    with safe_open(path, framework="pt") as file:
        network = json.loads(file.metadata()["network"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    change(network)
    save_file(tensors, path, metadata={"network": json.dumps(network)})
    assert_refused(path)


def assert_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=f"{path.name}: not a network of this project, or damaged"):
        load(path)
