"""The authors' checkpoints, read into our network.

Their names (model.py, commit c120f8e): conv_list.i, bntt_list.i.t and fc; layers that they register twice appear twice:
conv1 = conv_list.0, bntt1 = bntt_list.0, conv_resize_k = conv1x1_list.(k-1), resize_bn_k = bn_conv1x1_list.(k-1).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from models.config import NetworkConfig
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
STATISTICS = {"gain": "weight", "bias": "bias", "running_mean": "running_mean", "running_var": "running_var"}


def from_authors(state_dict: Mapping[str, Tensor], *, leak: float, boosting: bool | None = None) -> SResNet:
    """The network of an authors' state dict; depth, width, T, classes, boosting and kind of input are inferred.

    100 outputs are ten classes with boosting or a hundred without, which the shapes cannot tell: `boosting` says so;
    None takes any multiple of 100 for boosting except 100 itself. The leak is not stored, so it is given.
    Raises ValueError that names what is missing, left over or different in the two places where it stands.
    """
    single = without_doubles(state_dict)
    model = empty_network(single, leak, boosting)
    names = parameter_names(model)
    used = {name for theirs in names.values() for name in theirs}
    left = {name for name in single if not name.endswith("num_batches_tracked")}
    if used != left:
        raise ValueError(f"missing: {sorted(used - left)[:5]}; unknown: {sorted(left - used)[:5]}")
    for ours, empty in model.state_dict().items():
        expected = empty.shape[1:] if "norm" in ours else empty.shape
        for name in names[ours]:
            if single[name].shape != expected:
                raise ValueError(f"{name}: of shape {tuple(single[name].shape)}, expected {tuple(expected)}")
    values = {
        ours: torch.stack([single[name] for name in theirs]) if "norm" in ours else single[theirs[0]]
        for ours, theirs in names.items()
    }
    model.to(values["readout.linear.weight"].dtype).load_state_dict(values)
    return model


def read_authors(path: Path, *, leak: float, boosting: bool | None = None) -> SResNet:
    """The network of a checkpoint file of the authors' train.py. Raises ValueError; nothing in the file is executed."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, IndexError, RuntimeError, UnpicklingError) as error:
        reason = str(error).split(". ")[0]  # torch goes on with how to run the code in it
        raise ValueError(f"{path}: no checkpoint, damaged, or with code in it, which is not run ({reason})") from None
    if not isinstance(content, dict):
        raise ValueError(  # noqa: TRY004 (the file is wrong, not an argument)
            f"{path}: expected a checkpoint with names, found {type(content).__name__}"
        )
    return from_authors(content.get("state_dict", content), leak=leak, boosting=boosting)


def without_doubles(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with one name a tensor. Raises ValueError if two that should be the same differ."""
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


def empty_network(single: Mapping[str, Tensor], leak: float, boosting: bool | None) -> SResNet:
    """A network of the shape that the names and sizes of a state dict imply. Raises ValueError."""
    if "conv_list.0.weight" not in single or "fc.weight" not in single:
        raise ValueError("not a checkpoint of the authors' S-ResNet: conv1.weight or fc.weight is missing")
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
    return SResNet(config, input_shape=shape, classes=outputs // VOTERS if boosted else outputs, frames=frames)


def parameter_names(model: SResNet) -> dict[str, list[str]]:
    """For each tensor of ours the names of theirs, one a time step where ours is stacked over time."""
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
