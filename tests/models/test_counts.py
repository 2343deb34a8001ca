"""Numbers of parameters, neurons and multiplications equal those counted on the authors' classes."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.config import NetworkConfig
from models.sresnet import SResNet
from tests.train.tiny import NETWORK

S_RESNET38 = replace(NETWORK, blocks=6, width=32, time_steps=50)


def network(config: NetworkConfig, *, classes: int = 10, frames: bool = False) -> SResNet:
    """A network that has shapes and no numbers."""
    with torch.device("meta"):
        return SResNet(config, input_shape=(2, 64, 64) if frames else (3, 32, 32), classes=classes, frames=frames)


def parameters(model: nn.Module) -> int:
    return sum(value.numel() for value in model.parameters())


def weights(model: nn.Module) -> int:
    """Parameters of convolutions and the linear layer."""
    return sum(value.numel() for name, value in model.named_parameters() if name.endswith("weight"))


def test_s_resnet38() -> None:
    model = network(S_RESNET38)
    assert parameters(model) == 2_533_856
    assert len(list(model.parameters())) == 118
    assert sum(value.numel() for name, value in model.named_parameters() if name.endswith("norm.gain")) == 145_600
    assert sum(value.numel() for name, value in model.named_parameters() if name.endswith("norm.bias")) == 145_600


def test_parts_of_s_resnet38() -> None:
    model = network(S_RESNET38)
    counts = {name: value.numel() for name, value in model.named_parameters() if name.endswith("weight")}
    skips = [count for name, count in counts.items() if "skip" in name]
    stages = [
        sum(counts[f"blocks.{i}.{part}.conv.weight"] for i in range(6 * k, 6 * k + 6) for part in ("first", "second"))
        for k in range(3)
    ]
    assert counts["stem.conv.weight"] == 864
    assert stages == [110_592, 423_936, 1_695_744]
    assert skips == [2_048, 8_192]
    assert counts["readout.linear.weight"] == 1_280


@pytest.mark.parametrize(
    ("frames", "readout", "classes", "only_weights", "shared", "total"),
    [
        (False, "mean-voltage", 10, 2_242_656, 2_248_480, 2_533_856),
        (False, "boosting", 10, 2_254_176, 2_260_000, 2_545_376),
        (False, "mean-voltage", 100, 2_254_176, 2_260_000, 2_545_376),
        (False, "boosting", 100, 2_369_376, 2_375_200, 2_660_576),
        (True, "mean-voltage", 10, 2_242_368, 2_248_192, 2_533_568),
        (True, "mean-voltage", 100, 2_253_888, 2_259_712, 2_545_088),
    ],
)
def test_variants(frames: bool, readout: str, classes: int, only_weights: int, shared: int, total: int) -> None:
    config = replace(S_RESNET38, readout=readout)
    model = network(config, classes=classes, frames=frames)
    assert (weights(model), parameters(model)) == (only_weights, total)
    for normalization in ("bn", "tdbn"):
        one_set = network(replace(config, normalization=normalization), classes=classes, frames=frames)
        assert parameters(one_set) == shared


@pytest.mark.parametrize(
    ("time_steps", "total"),
    [
        (1, 2_248_480),
        (5, 2_271_776),
        (10, 2_300_896),
        (20, 2_359_136),
        (25, 2_388_256),
        (30, 2_417_376),
        (50, 2_533_856),
    ],
)
def test_time_steps(time_steps: int, total: int) -> None:
    assert parameters(network(replace(S_RESNET38, time_steps=time_steps))) == total


@pytest.mark.parametrize(
    ("blocks", "width", "only_weights", "total"),
    [
        (1, 16, 77_360, 110_960),
        (2, 16, 174_128, 230_128),
        (3, 16, 270_896, 349_296),
        (4, 16, 367_664, 468_464),
        (5, 16, 464_432, 587_632),
        (6, 16, 561_200, 706_800),
        (7, 16, 657_968, 825_968),
        (8, 16, 754_736, 945_136),
        (9, 16, 851_504, 1_064_304),
        (1, 32, 307_296, 374_496),
        (2, 32, 694_368, 806_368),
        (3, 32, 1_081_440, 1_238_240),
        (4, 32, 1_468_512, 1_670_112),
        (5, 32, 1_855_584, 2_101_984),
        (6, 32, 2_242_656, 2_533_856),
        (7, 32, 2_629_728, 2_965_728),
        (8, 32, 3_016_800, 3_397_600),
        (9, 32, 3_403_872, 3_829_472),
        (1, 64, 1_224_896, 1_359_296),
        (2, 64, 2_773_184, 2_997_184),
        (3, 64, 4_321_472, 4_635_072),
        (4, 64, 5_869_760, 6_272_960),
        (5, 64, 7_418_048, 7_910_848),
        (6, 64, 8_966_336, 9_548_736),
        (7, 64, 10_514_624, 11_186_624),
        (8, 64, 12_062_912, 12_824_512),
        (9, 64, 13_611_200, 14_462_400),
    ],
)
def test_depth_and_width(blocks: int, width: int, only_weights: int, total: int) -> None:
    model = network(replace(S_RESNET38, blocks=blocks, width=width))
    assert (weights(model), parameters(model)) == (only_weights, total)


@pytest.mark.parametrize(("frames", "expected"), [(False, 332_236_032), (True, 331_941_120)])
def test_multiplications_of_a_time_step(frames: bool, expected: int) -> None:
    """Each output of a layer takes one multiplication for each weight of its channel."""
    model = network(replace(S_RESNET38, time_steps=1), frames=frames)
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, *(1,) * frames, *model.input_shape, device="meta"))
    assert counter.get_total_flops() == 2 * expected  # a multiplication and an addition


@pytest.mark.parametrize("frames", [False, True])
def test_neurons(frames: bool) -> None:
    model = network(replace(S_RESNET38, time_steps=1), frames=frames)
    neurons = model.observe(torch.empty(1, *(1,) * frames, *model.input_shape, device="meta")).neurons
    assert len(neurons) == 37
    assert sum(neurons.values()) == 720_896
