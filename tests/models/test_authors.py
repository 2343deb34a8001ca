"""A checkpoint of the authors becomes our network, or one error says what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.authors import TWICE, from_authors, parameter_names, read_authors, without_doubles
from models.sresnet import SResNet
from tests.models.recorded import recorded

LEAK = 0.8744


@pytest.fixture
def checkpoint() -> dict[str, Tensor]:
    """A state dict as the authors' code makes it: n = 1, 4 filters, T = 4, 10 classes."""
    return recorded("sresnet").state_dict("init")


def same(one: SResNet, other: SResNet) -> bool:
    values = other.state_dict()
    return one.config == other.config and all(torch.equal(v, values[k]) for k, v in one.state_dict().items())


def test_doubles_are_stored_twice_and_read_once(checkpoint: dict[str, Tensor]) -> None:
    single = without_doubles(checkpoint)
    doubles = [name for name in checkpoint if name.startswith(("conv1.", "bntt1.", "conv_resize_", "resize_bn_"))]
    assert len(doubles) == 3 + 3 * 4 * 5  # 3 convolutions; 3 layers of T = 4 norms with 5 tensors each
    assert len(single) == len(checkpoint) - len(doubles)
    assert not set(doubles) & set(single)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("conv1.weight", "conv_list.0.weight"),
        ("bntt1.2.running_var", "bntt_list.0.2.running_var"),
        ("conv_resize_1.weight", "conv1x1_list.0.weight"),
        ("conv_resize_2.weight", "conv1x1_list.1.weight"),
        ("resize_bn_1.0.bias", "bn_conv1x1_list.0.0.bias"),
        ("resize_bn_2.3.weight", "bn_conv1x1_list.1.3.weight"),
    ],
)
def test_a_difference_between_doubles_is_an_error(checkpoint: dict[str, Tensor], name: str, other: str) -> None:
    assert torch.equal(checkpoint[name], checkpoint[other])
    for changed in (name, other):
        with pytest.raises(ValueError, match=rf"{other} differs|under its other name, {other}"):
            from_authors(checkpoint | {changed: checkpoint[changed] + 1}, leak=LEAK)


def test_the_error_says_both_names(checkpoint: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"conv1.weight"):
        from_authors(checkpoint | {"conv1.weight": checkpoint["conv1.weight"] + 1}, leak=LEAK)


def test_one_of_two_names_is_enough(checkpoint: dict[str, Tensor]) -> None:
    assert len(TWICE) == 6
    assert same(from_authors(without_doubles(checkpoint), leak=LEAK), from_authors(checkpoint, leak=LEAK))


def test_names_of_a_parallel_training(checkpoint: dict[str, Tensor]) -> None:
    wrapped = {f"module.{name}": value for name, value in checkpoint.items()}
    assert same(from_authors(wrapped, leak=LEAK), from_authors(checkpoint, leak=LEAK))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_keep_their_type(checkpoint: dict[str, Tensor], dtype: torch.dtype) -> None:
    model = from_authors({k: v.to(dtype) if v.is_floating_point() else v for k, v in checkpoint.items()}, leak=LEAK)
    assert {value.dtype for value in model.state_dict().values()} == {dtype}
    assert torch.equal(model.blocks[1].first.conv.weight, checkpoint["conv_list.3.weight"].to(dtype))


def test_the_leak_is_what_was_given(checkpoint: dict[str, Tensor]) -> None:
    model = from_authors(checkpoint, leak=0.5)
    assert model.config.leak == model.stem.leak == 0.5


def test_every_tensor_is_named_once(checkpoint: dict[str, Tensor]) -> None:
    model = from_authors(checkpoint, leak=LEAK)
    names = parameter_names(model)
    theirs = [name for group in names.values() for name in group]
    assert names.keys() == model.state_dict().keys()
    assert len(theirs) == len(set(theirs))


@pytest.mark.parametrize(
    "name", ["bntt_list.2.1.weight", "bntt_list.4.3.running_var", "conv1x1_list.0.weight", "bn_conv1x1_list.1.0.bias"]
)
def test_missing(checkpoint: dict[str, Tensor], name: str) -> None:
    single = without_doubles(checkpoint)
    del single[name]
    with pytest.raises(ValueError, match=rf"missing: \['{name}'\]; unknown: \[\]"):
        from_authors(single, leak=LEAK)


def test_unknown(checkpoint: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"missing: \[\]; unknown: \['fc.bias'\]"):
        from_authors(checkpoint | {"fc.bias": torch.zeros(10)}, leak=LEAK)


@pytest.mark.parametrize("name", ["conv_list.0.weight", "fc.weight"])
def test_foreign_without_an_end(checkpoint: dict[str, Tensor], name: str) -> None:
    single = without_doubles(checkpoint)
    del single[name]
    with pytest.raises(ValueError, match=r"not a checkpoint of the authors' S-ResNet: .*conv1.weight or fc.weight"):
        from_authors(single, leak=LEAK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv_list.7.weight": torch.zeros(16, 16, 3, 3)}, "8 convolutions, 4 steps, 3 input channels fit no"),
        ({"conv_list.0.weight": torch.zeros(4, 1, 3, 3)}, "7 convolutions, 4 steps, 1 input channels fit no"),
    ],
)
def test_foreign_sizes(checkpoint: dict[str, Tensor], changes: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_authors(without_doubles(checkpoint) | changes, leak=LEAK)


def test_foreign_network() -> None:
    """An image classifier whose ends have the same names."""
    other = {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(10, 512), "bn1.weight": torch.ones(64)}
    with pytest.raises(ValueError, match="1 convolutions, 0 steps, 3 input channels fit no S-ResNet"):
        from_authors(other, leak=LEAK)


@pytest.mark.parametrize("name", ["conv_list.3.weight", "bntt_list.3.0.weight"])
def test_a_layer_of_another_size(checkpoint: dict[str, Tensor], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        from_authors(checkpoint | {name: torch.zeros(3, 3, 3, 3)}, leak=LEAK)


@pytest.mark.parametrize(
    ("outputs", "said", "boosting", "classes"),
    [
        (10, None, False, 10),
        (100, None, False, 100),
        (100, False, False, 100),
        (100, True, True, 10),
        (1000, None, True, 100),
        (1000, False, False, 1000),
        (11, None, False, 11),
    ],
)
def test_boosting(checkpoint: dict[str, Tensor], outputs: int, said: bool | None, boosting: bool, classes: int) -> None:
    """A hundred outputs are a hundred classes, or ten with ten voters each."""
    model = from_authors(checkpoint | {"fc.weight": torch.ones(outputs, 16).double()}, leak=LEAK, boosting=said)
    assert (model.config.readout == "boosting", model.classes) == (boosting, classes)
    assert model.eval()(torch.zeros(2, 3, 32, 32).double()).shape == (2, classes)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_checkpoint_file(checkpoint: dict[str, Tensor], tmp_path: Path, wrapped: bool) -> None:
    path = tmp_path / "cifar10.pth.tar"
    content: dict[str, Any] = {"epoch": 70, "accuracy": 0.9, "state_dict": checkpoint} if wrapped else checkpoint
    torch.save(content, path)
    assert same(read_authors(path, leak=LEAK), from_authors(checkpoint, leak=LEAK))


class Code:
    """A pickle of this writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_executed(checkpoint: dict[str, Tensor], tmp_path: Path) -> None:
    path, trace = tmp_path / "checkpoint.pth.tar", tmp_path / "executed"
    torch.save({"state_dict": checkpoint, "extra": Code(trace)}, path)
    with pytest.raises(ValueError, match="with code in it, which is not run"):
        read_authors(path, leak=LEAK)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # a careless reader would have


@pytest.mark.parametrize("content", [b"", b"text"])
def test_a_file_of_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pth.tar"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        read_authors(path, leak=LEAK)
