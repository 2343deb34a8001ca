"""A checkpoint of the authors is converted to our network, or raises one error that names its fault."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from models.sresnet import SResNet
from pipeline.authors.checkpoint import TWICE, from_authors, parameter_names, read_authors, without_doubles
from pipeline.authors.recorded import recorded_network
from pipeline.ground.paths import ROOT

GOLDEN = ROOT / "paper" / "golden"

LEAK = 0.8744


@pytest.fixture
def checkpoint() -> dict[str, Tensor]:
    """A state dict as the authors' code makes it: n = 1, 4 filters, T = 4, 10 classes."""
    return recorded_network(GOLDEN, "sresnet").state_dict("init")


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
        from_authors(checkpoint | {"fc.bias": torch.zeros(10).double()}, leak=LEAK)


@pytest.mark.parametrize("name", ["conv_list.0.weight", "fc.weight"])
def test_foreign_without_an_end(checkpoint: dict[str, Tensor], name: str) -> None:
    single = without_doubles(checkpoint)
    del single[name]
    with pytest.raises(ValueError, match=r"not a checkpoint of the authors' S-ResNet: .*conv1.weight or fc.weight"):
        from_authors(single, leak=LEAK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"conv_list.7.weight": torch.zeros(16, 16, 3, 3).double()},
            "8 convolutions, 4 steps, 3 input channels fit no",
        ),
        ({"conv_list.0.weight": torch.zeros(4, 1, 3, 3).double()}, "7 convolutions, 4 steps, 1 input channels fit no"),
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
        from_authors(checkpoint | {name: torch.zeros(3, 3, 3, 3).double()}, leak=LEAK)


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
    with pytest.raises(ValueError, match="contains code, which is not run"):
        read_authors(path, leak=LEAK)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # a careless reader would have


LAYER = "conv_list.1.weight"


@pytest.mark.filterwarnings("ignore:.*sparse")  # torch says that it checks sparse tensors
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: {LAYER: "text"}, f"{LAYER}: str, expected a tensor"),
        (lambda value: {LAYER: None}, f"{LAYER}: NoneType, expected a tensor"),
        (lambda value: {LAYER: {"weight": value}}, f"{LAYER}: dict, expected a tensor"),
        (lambda value: {7: value}, "7 is int, expected the name of a tensor"),
        (lambda value: {LAYER: value.float()}, "is torch.float64, conv_list.1.weight is torch.float32; expected one"),
        (lambda value: {LAYER: value.half()}, f"{LAYER}: torch.float16, expected torch.float32 or torch.float64"),
        (lambda value: {LAYER: value.to(torch.complex128)}, f"{LAYER}: torch.complex128, expected torch.float32 or"),
        (lambda value: {LAYER: value.int()}, f"{LAYER}: torch.int32, expected torch.float32 or torch.float64"),
        (lambda value: {LAYER: value.to_sparse()}, f"{LAYER}: a torch.sparse_coo tensor, expected a plain one"),
        (lambda value: {LAYER: value.to("meta")}, f"{LAYER}: a meta tensor, expected a plain one with its numbers"),
        (lambda value: {LAYER: value[:0]}, f"{LAYER}: shape (0, 4, 3, 3), expected at least one number"),
        (lambda value: {LAYER: value * torch.nan}, f"{LAYER}: 144 of 144 values are NaN or infinite"),
        (lambda value: {"conv1.weight": value[0, 0, 0]}, "conv_list.0.weight differs from the same layer under its"),
        (
            lambda value: {name: value[0, 0, 0].clone() for name in ("conv1.weight", "conv_list.0.weight")},
            "conv_list.0.weight: of shape (3,), expected 4 axes",
        ),
        (lambda value: {"fc.weight": value[0, 0, 0, 0].clone()}, "fc.weight: of shape (), expected 2 axes"),
        (
            lambda value: {"bntt_list.2.0.running_var": -torch.ones(4).double()},
            "bntt_list.2.0.running_var: -1 is a negative variance",
        ),
        (
            lambda value: {"fc.weight": torch.zeros(1).double().expand(10**10, 16)},
            "fc.weight: shape (10000000000, 16) needs more numbers than the file contains",
        ),
    ],
)
def test_a_wrong_tensor_is_named_at_once(
    checkpoint: dict[str, Tensor], tmp_path: Path, change: Callable[[Tensor], dict[Any, Any]], reason: str
) -> None:
    path = tmp_path / "best.pth.tar"
    torch.save({"state_dict": checkpoint | change(checkpoint[LAYER])}, path)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"best\.pth\.tar: ") as error:
        read_authors(path, leak=LEAK)
    assert time.monotonic() - start < 1
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"state_dict": "text"}, "state_dict is of type str, expected names with tensors"),
        ({"state_dict": None}, "state_dict is of type NoneType, expected names with tensors"),
        ({"state_dict": {"state_dict": {}}}, "state_dict: dict, expected a tensor"),
        ({0: torch.zeros(1)}, "0 is int, expected the name of a tensor"),
        ([torch.zeros(1)], "the file is of type list, expected names with tensors"),
        (None, "the file is of type NoneType, expected names with tensors"),
        (torch.zeros(1), "the file is of type Tensor, expected names with tensors"),
        ({}, "not a checkpoint of the authors' S-ResNet"),
    ],
)
def test_a_file_with_no_state_dict_is_named(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / "best.pth.tar"
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"best\.pth\.tar: ") as error:
        read_authors(path, leak=LEAK)
    assert reason in str(error.value)


def test_the_older_format_of_torch_is_read(checkpoint: dict[str, Tensor], tmp_path: Path) -> None:
    """Their checkpoints may be of 2021; a part of such a file is one error wherever it ends."""
    path = tmp_path / "best.pth.tar"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    assert same(read_authors(path, leak=LEAK), from_authors(checkpoint, leak=LEAK))
    whole = path.read_bytes()
    for size in (10, 60, 200, 1000, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="not a checkpoint, damaged, or contains code"):
            read_authors(path, leak=LEAK)


def test_any_damage_is_one_error(checkpoint: dict[str, Tensor], tmp_path: Path) -> None:
    """The pickle in it gives whatever error its bytes lead to."""
    path, random = tmp_path / "best.pth.tar", Random(0)
    torch.save(checkpoint, path)
    whole, refused = path.read_bytes(), 0
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[random.randrange(3000)] = random.randrange(256)
        path.write_bytes(damaged)
        try:
            read_authors(path, leak=LEAK)
        except ValueError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - some wrong bytes are numbers
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [b"", b"text"])
def test_a_file_of_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pth.tar"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        read_authors(path, leak=LEAK)
