"""Reads the authors' checkpoints into our network.

Their names (model.py, commit c120f8e): conv_list.i, bntt_list.i.t and fc. Layers that they register twice have two
names: conv1 = conv_list.0, bntt1 = bntt_list.0, conv_resize_k = conv1x1_list.(k-1), resize_bn_k =
bn_conv1x1_list.(k-1).
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.config import NetworkConfig
from models.numbers import unsound
from models.readout import VOTERS
from models.sresnet import SResNet

TWICE = (
    (r"^conv1\.", "conv_list.0."),
    (r"^bntt1\.", "bntt_list.0."),
    (r"^conv_resize_1\.", "conv1x1_list.0."),
    (r"^conv_resize_2\.", "conv1x1_list.1."),
    (r"^resize_bn_1\.", "bn_conv1x1_list.0."),
    (r"^resize_bn_2\.", "bn_conv1x1_list.1."),
)
AUTHORS_LEAK = 0.8744
"""From the authors' README; a checkpoint does not contain it."""
COUNTER = "num_batches_tracked"
"""End of the names of batch counters, which are not used here."""
STATISTICS = {"gain": "weight", "bias": "bias", "running_mean": "running_mean", "running_var": "running_var"}


def from_authors(state_dict: Mapping[str, Tensor], *, leak: float, boosting: bool | None = None) -> SResNet:
    """The network from an authors' state dict; depth, width, T, classes, boosting and input kind are inferred.

    100 outputs can be ten classes with boosting or a hundred without, so `boosting` decides; None assumes boosting for
    any multiple of 100 except 100 itself. The leak is not stored, so it has to be given.
    Raises ValueError that names what is missing, unknown or wrong, or differs between the two names of a layer.
    """
    check_tensors(state_dict)
    single = without_doubles(state_dict)
    build = network_like(single, leak, boosting)
    with torch.device("meta"):
        empty = build()
    names = parameter_names(empty)
    check_shapes(single, empty, names)
    values = in_our_names(empty, single)
    model = build().to(values["readout.linear.weight"].dtype)
    model.load_state_dict(values)
    return model


def in_our_names(model: SResNet, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors by our names, stacked over time steps."""
    single = without_doubles(theirs)
    return {
        ours: torch.stack([single[name] for name in names]).clone() if "norm" in ours else single[names[0]].clone()
        for ours, names in parameter_names(model).items()
        if names[0] in single
    }


def read_authors(path: Path, *, leak: float, boosting: bool | None = None) -> SResNet:
    """The network from a checkpoint file of the authors' train.py. Does not execute code in the file.

    Raises ValueError that begins with the path.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        reason = f"{type(error).__name__}: {error}".split(". ")[0].splitlines()[0]  # torch adds advice on running it
        raise ValueError(f"{path}: not a checkpoint, damaged, or contains code, which is not run ({reason})") from None
    try:
        return from_authors(state_dict_of(content), leak=leak, boosting=boosting)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def state_dict_of(content: Any) -> Mapping[str, Tensor]:
    """The state dict of a checkpoint, or of a file that is just a state dict. Raises ValueError."""
    where = "the file"
    if isinstance(content, dict) and "state_dict" in content:
        content, where = content["state_dict"], "state_dict"
    if not isinstance(content, dict):
        raise ValueError(f"{where} is of type {type(content).__name__}, expected names with tensors")  # noqa: TRY004
    return content


def check_tensors(state_dict: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless names are strings, and values are complete tensors of finite numbers, the floating ones
    all float32 or all float64."""
    kinds: dict[torch.dtype, str] = {}
    for name, value in state_dict.items():
        if not isinstance(name, str):
            raise ValueError(f"{name!r:.60} is {type(name).__name__}, expected the name of a tensor")  # noqa: TRY004
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: {type(value).__name__}, expected a tensor")  # noqa: TRY004
        if reason := unusable(name, value):
            raise ValueError(f"{name}: {reason}")
        if not name.endswith(COUNTER):
            kinds.setdefault(value.dtype, name)
    if len(kinds) > 1:
        first, second, *_ = (f"{name} is {dtype}" for dtype, name in kinds.items())
        raise ValueError(f"{first}, {second}; expected one type for all")


def unusable(name: str, value: Tensor) -> str | None:
    """Why a tensor, which may be of any kind in torch, cannot belong to the network; None if it can."""
    if value.layout != torch.strided or value.is_meta or value.is_quantized:
        kind = "meta" if value.is_meta else "quantized" if value.is_quantized else str(value.layout)
        return f"a {kind} tensor, expected a plain one with its numbers"
    if not value.numel():
        return f"shape {tuple(value.shape)}, expected at least one number"
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        return f"shape {tuple(value.shape)} needs more numbers than the file contains"
    if name.endswith(COUNTER):
        return None
    if value.dtype not in (torch.float32, torch.float64):
        return f"{value.dtype}, expected torch.float32 or torch.float64"
    return unsound(name, value)


def without_doubles(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with one name per tensor. Raises ValueError if the values under two names of a layer differ."""
    single: dict[str, Tensor] = {}
    first: dict[str, str] = {}
    for name, value in state_dict.items():
        plain = name.removeprefix("module.")
        for pattern, replacement in TWICE:
            plain = re.sub(pattern, replacement, plain)
        if plain in single and not torch.equal(single[plain], value):
            raise ValueError(f"{name} differs from the same layer under its other name, {first[plain]}")
        single[plain] = value
        first.setdefault(plain, name)
    return single


def check_shapes(single: Mapping[str, Tensor], empty: SResNet, names: Mapping[str, list[str]]) -> None:
    """Raises ValueError unless a state dict has exactly the network's tensors, by name and shape."""
    used = {name for theirs in names.values() for name in theirs}
    left = {name for name in single if not name.endswith(COUNTER)}
    if used != left:
        raise ValueError(f"missing: {sorted(used - left)[:5]}; unknown: {sorted(left - used)[:5]}")
    for ours, value in empty.state_dict().items():
        expected = value.shape[1:] if "norm" in ours else value.shape
        for name in names[ours]:
            if single[name].shape != expected:
                raise ValueError(f"{name}: of shape {tuple(single[name].shape)}, expected {tuple(expected)}")


def network_like(single: Mapping[str, Tensor], leak: float, boosting: bool | None) -> Callable[[], SResNet]:
    """A function that builds a network of the sizes implied by a state dict. Raises ValueError."""
    if "conv_list.0.weight" not in single or "fc.weight" not in single:
        raise ValueError("not a checkpoint of the authors' S-ResNet: conv1.weight or fc.weight is missing")
    for name, axes in (("conv_list.0.weight", 4), ("fc.weight", 2)):
        if single[name].ndim != axes:
            raise ValueError(f"{name}: of shape {tuple(single[name].shape)}, expected {axes} axes")
    convolutions = len({name for name in single if re.fullmatch(r"conv_list\.\d+\.weight", name)})
    steps = len({name for name in single if re.fullmatch(r"bntt_list\.0\.\d+\.weight", name)})
    width, channels = single["conv_list.0.weight"].shape[:2]
    outputs = single["fc.weight"].shape[0]
    boosted = outputs % 100 == 0 and outputs != 100 if boosting is None else boosting
    if (convolutions - 1) % 6 or steps == 0 or channels not in (2, 3):
        raise ValueError(f"{convolutions} convolutions, {steps} steps, {channels} input channels fit no S-ResNet")
    config = NetworkConfig(
        blocks=(convolutions - 1) // 6,
        width=width,
        time_steps=steps,
        neuron="lif",
        leak=leak,
        leak_trained="never",
        reset="subtract",
        surrogate="triangle",
        surrogate_height=0.3,
        surrogate_width=1.0,
        normalization="bntt",
        shortcut="spike-add",
        downsampling="real",
        encoding="direct",
        readout="boosting" if boosted else "mean-voltage",
        initialization="xavier",
        precision="float32",
    )
    frames = channels == 2
    shape = (2, 64, 64) if frames else (3, 32, 32)
    classes = outputs // VOTERS if boosted else outputs
    return partial(SResNet, config, input_shape=shape, classes=classes, frames=frames)


def parameter_names(model: SResNet) -> dict[str, list[str]]:
    """For each of our tensors the names of theirs: several, one per time step, if ours is stacked over time."""
    blocks, steps = model.config.blocks, range(model.config.time_steps)
    layers = {"stem": 0}
    for index in range(3 * blocks):
        layers |= {f"blocks.{index}.first": 1 + 2 * index, f"blocks.{index}.second": 2 + 2 * index}
    prefixes = {ours: (f"conv_list.{i}", f"bntt_list.{i}") for ours, i in layers.items()}
    for k in (0, 1):
        prefixes[f"blocks.{(k + 1) * blocks}.skip"] = (f"conv1x1_list.{k}", f"bn_conv1x1_list.{k}")
    names = {"readout.linear.weight": ["fc.weight"]}
    for ours, (conv, norm) in prefixes.items():
        names[f"{ours}.conv.weight"] = [f"{conv}.weight"]
        for mine, theirs in STATISTICS.items():
            names[f"{ours}.norm.{mine}"] = [f"{norm}.{t}.{theirs}" for t in steps]
    return names
