"""`sresnet compare-spikes`: counts the spikes that differ between two computations of a trained network."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import load_network
from models.sresnet import SResNet
from pipeline.authors.compare import compare, flip_table, pair
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole


def compare_spikes(
    network: Path, *, against: str, images: int, inputs: Path | None, seed: int, output: Path | None
) -> None:
    """Prints the table, and writes all counts to `output` if given. Raises InputError."""
    try:
        model = load_network(network).eval()
        values = _inputs_of(model, inputs, images, seed)
        exact, other, implementations = pair(model, against)
        comparison = compare(exact, other, values, implementations=implementations, seed=seed)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    print(flip_table(comparison))
    if output:
        write_whole(output, json.dumps(asdict(comparison), indent=2).encode() + b"\n")


def _inputs_of(model: SResNet, path: Path | None, samples: int, seed: int) -> Tensor:
    """The first samples of a file, or normally distributed numbers. Raises ValueError for wrong shapes and types."""
    steps = (model.config.time_steps,) if model.frames else ()
    shape = (*steps, *model.input_shape)
    if samples < 1:
        raise ValueError(f"--images must be at least 1, not {samples}")
    if path is None:
        return torch.randn(samples, *shape, generator=torch.Generator().manual_seed(seed))
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise ValueError(f"{path}: not an array (.npy), or damaged ({error})") from None
    if values.ndim != len(shape) + 1 or values.shape[1:] != shape or values.dtype.kind not in "fiu":
        raise ValueError(f"{path}: {values.dtype} of shape {values.shape}; expected numbers of (samples, {shape})")
    return torch.from_numpy(values[:samples].astype(np.float32))
