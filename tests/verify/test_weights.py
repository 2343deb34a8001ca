"""Weights show how many numbers were trained, and whether two networks had the same initial weights."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from models.checkpoint import save_network
from models.config import NetworkConfig
from models.sresnet import SResNet
from pipeline.verify.initial import other_start, start_is_known
from pipeline.verify.rules import NETWORK
from pipeline.verify.weights import convolutions, copies, correlation, load_weights, parameters, trained_values

CONFIGS = [
    NETWORK,
    replace(NETWORK, normalization="tebn", leak_trained="channel"),
    replace(NETWORK, normalization="none", readout="boosting"),
]


def network(config: NetworkConfig, seed: int) -> SResNet:
    model = SResNet(config, input_shape=(1, 8, 8), classes=10, frames=False)
    model.reset_parameters(torch.Generator().manual_seed(seed))
    return model


@pytest.mark.filterwarnings("ignore:the fused kernels:UserWarning")
@pytest.mark.parametrize("config", CONFIGS)
def test_the_header_tells_how_many_values_were_trained(tmp_path: Path, config: NetworkConfig) -> None:
    model = network(config, 0)
    save_network(model, tmp_path / "model.safetensors")
    assert trained_values(tmp_path / "model.safetensors") == sum(value.numel() for value in model.parameters())


def report_of(root: Path, models: list[SResNet]) -> Any:
    """A report of seeds of one configuration whose weights lie in `root`."""
    held = []
    for seed, model in enumerate(models):
        folder = root / "artifacts" / "a" / str(seed)
        folder.mkdir(parents=True)
        save_network(model, folder / "model.safetensors")
        trained = sum(value.numel() for value in model.parameters())
        held.append(SimpleNamespace(experiment="a", seed=seed, dataset={}, network={}, training={}, parameters=trained))
    return SimpleNamespace(root=root, audit=SimpleNamespace(records=held))


def test_an_invented_number_of_parameters_is_a_break(tmp_path: Path) -> None:
    report = report_of(tmp_path, [network(NETWORK, 0)])
    assert list(parameters(report)) == []
    report.audit.records[0].parameters -= 1
    (broken,) = parameters(report)
    assert (broken.link, broken.file) == ("weights", "evidence/results/a/0.json")


@torch.no_grad()
def noisy(model: SResNet, deviations: float) -> SResNet:
    """The network with noise of so many deviations of each convolution."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.named_parameters():
        if name.endswith("conv.weight"):
            value.add_(deviations * value.std() * torch.randn(value.shape, generator=generator))
    return model


@pytest.mark.parametrize("deviations", [0.0, 0.2, 1.0, 3.0])
def test_a_copied_seed_is_found_whatever_its_noise(tmp_path: Path, deviations: float) -> None:
    wide = replace(NETWORK, width=8)
    copy = noisy(network(wide, 0), deviations)
    (broken,) = copies(report_of(tmp_path, [network(wide, 0), copy]))
    assert (broken.link, "a correlation of" in broken.found) == ("seeds", True)


def test_two_seeds_are_no_copies(tmp_path: Path) -> None:
    wide = replace(NETWORK, width=8)
    report = report_of(tmp_path, [network(wide, seed) for seed in range(6)])
    assert list(copies(report)) == []
    report.audit.records[1].training = {"epochs": 1}
    assert list(copies(report)) == []


def test_a_tensor_without_spread_is_no_likeness(tmp_path: Path) -> None:
    save_file({"a.conv.weight": np.ones((2, 2), np.float32)}, tmp_path / "flat")
    values = convolutions(load_weights(tmp_path / "flat"))
    assert correlation(values, values) == 0
    assert correlation(values[:0], values[:0]) == 0


def test_trained_weights_show_the_seed_that_they_began_with() -> None:
    model = noisy(network(replace(NETWORK, width=8), 3), 1.0)
    assert start_is_known(model, 3)
    assert not start_is_known(model, 4)
    assert other_start(model, 3, set()) is None
    assert other_start(model, 100, set()) == 3
    unlisted = noisy(network(replace(NETWORK, width=8), 77), 1.0)
    assert (other_start(unlisted, 0, set()), other_start(unlisted, 0, {77})) == (None, 77)
