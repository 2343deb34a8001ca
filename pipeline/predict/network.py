"""A trained network with the rules by which a file becomes its input."""

import math
from dataclasses import dataclass
from pathlib import Path

from models.pretrained import WEIGHTS, load_pretrained
from models.sresnet import SResNet
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT
from pipeline.ground.schema import validate
from pipeline.preprocess.samples import Reading
from pipeline.protocol.input_rule import Inputs

_EARLIER = (
    "config.json does not say how a file becomes an input (`inputs`), which networks of earlier versions lack; train "
    "again (`dvc repro`)"
)

_LARGEST = 1 << 28
"""Maximum number of values in a sample, 1 GiB: 50 frames of a camera of 1 Mpx have fewer."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network and how its inputs are made."""

    name: str
    """The folder, or the name on the hub."""
    model: SResNet
    inputs: Inputs
    reading: Reading | None
    """How a recording is read; None for images."""


def trained_network(name: str) -> Trained:
    """The network of a run (digits-0), in a folder, of a model.safetensors in one, or on the hub. Raises InputError."""
    source = _source(name)
    try:
        model = load_pretrained(source)
    except (ValueError, OSError, ImportError) as error:
        raise InputError(str(error)) from None
    if model.inputs is None:
        raise InputError(f"{source}: {_EARLIER}")
    inputs = validate(Inputs, model.inputs, Path(source) / "config.json", prefix=("inputs",))
    reading = None
    if inputs.kind == "frames":
        reading = validate(Reading, inputs.framing, Path(source) / "config.json", prefix=("inputs", "framing"))
    _check_sound(source, inputs)
    _check_fits(source, model, inputs, reading)
    return Trained(name=source, model=model, inputs=inputs, reading=reading)


def _source(name: str) -> str:
    """The folder of a run if there is one of that name; else the name without a model.safetensors at its end."""
    if Path(name).is_file() and Path(name).name != WEIGHTS:
        raise InputError(f"{name}: not a network; name a run, a folder with {WEIGHTS} or that file before the FILES")
    if Path(name).exists():
        return str(Path(name).parent) if Path(name).is_file() else name
    experiment, _, seed = name.rpartition("-")
    run = ROOT / "artifacts" / experiment / seed
    if "/" not in name and not (experiment and run.is_dir()):
        found = (path.parent for path in ROOT.glob(f"artifacts/*/*/{WEIGHTS}"))
        runs = ", ".join(sorted(f"{folder.parent.name}-{folder.name}" for folder in found))
        raise InputError(f"{name}: no such run, file or folder; trained here: {runs or 'none, `make repro` trains'}")
    return name if "/" in name else str(run)


def _check_sound(source: str, inputs: Inputs) -> None:
    """Raises InputError for what no training writes, but a file from elsewhere may say."""
    images, channels = inputs.kind == "images", inputs.sample_shape[-3]
    wrong = {
        f"{len(inputs.classes)} classes, not all of different names": len(set(inputs.classes)) < len(inputs.classes),
        f"images of {channels} channels; only 1 (grey) and 3 are read": images and channels not in (1, 3),
        f"{inputs.kind} with sensor {inputs.sensor}": (inputs.sensor is None) is not images,
        f"samples of more than {_LARGEST:,} values": math.prod(inputs.sample_shape) > _LARGEST,
    }
    if said := [reason for reason, holds in wrong.items() if holds]:
        raise InputError(f"{source}: config.json says {'; '.join(said)}; fetch it again")


def _check_fits(source: str, model: SResNet, inputs: Inputs, reading: Reading | None) -> None:
    steps = [model.config.time_steps] if model.frames else []
    takes = ("frames" if model.frames else "images", [*steps, *model.input_shape], model.classes)
    if takes != (inputs.kind, inputs.sample_shape, len(inputs.classes)):
        raise InputError(
            f"{source}: config.json says {inputs.kind} of shape {inputs.sample_shape} and {len(inputs.classes)} "
            f"classes, but the network takes {takes[0]} of shape {takes[1]} and has {takes[2]}; fetch both again"
        )
    if reading and [reading.num_frames, 2, reading.size, reading.size] != inputs.sample_shape:
        raise InputError(
            f"{source}: config.json frames recordings into {reading.num_frames} frames of {reading.size} pixels, but "
            f"says that a sample has the shape {inputs.sample_shape}; fetch it again"
        )
