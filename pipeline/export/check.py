"""Compares an exported file, run by another program, with our network. Shapes: B samples, T time steps, K classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.encoding import ENCODINGS
from models.sresnet import SResNet
from models.stepwise import StepNetwork
from pipeline.ground.errors import InputError

CLOSE = 1e-5
"""Largest difference between two logits that count as equal."""

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Check:
    """The logits of an exported file beside ours, on the same samples."""

    file: str
    program: str
    """What ran the file."""
    samples: int
    close: int
    """Samples whose logits all differ by at most CLOSE. The others have a neuron so near its threshold that another
    order of a sum decides whether it fires."""
    largest: float
    """Largest difference between two logits."""


def compared(file: Path, program: str, ours: Logits, theirs: Logits) -> Check:
    """The check of a file. Raises InputError if a sample gets another class."""
    wrong = int((ours.argmax(1) != theirs.argmax(1)).sum())
    if wrong:
        raise InputError(
            f"{file.name}: {program} gives another class for {wrong} of {len(ours)} samples, so nothing was written; "
            "please report it with the network's config.json"
        )
    differences = np.abs(ours - theirs).max(1)
    close, largest = int((differences <= CLOSE).sum()), float(differences.max())
    return Check(file=file.name, program=program, samples=len(ours), close=close, largest=largest)


def our_logits(model: SResNet, inputs: Tensor) -> Logits:
    """Logits of our network, with the Poisson spikes of `steps_of`."""
    with torch.no_grad():
        return np.asarray(model(inputs, generator=torch.Generator().manual_seed(0)))


def by_onnxruntime(path: Path, inputs: Tensor) -> Logits:
    """Logits of a window file."""
    logits: Logits = _session(path).run(["logits"], {"inputs": inputs.numpy()})[0]
    return logits


def by_onnxruntime_stepped(path: Path, model: SResNet, steps: Tensor) -> Logits:
    """Logits of a step file after all steps, from the inputs of each step (T, B, C, H, W)."""
    session, state = _session(path), [value.numpy() for value in StepNetwork(model).start(steps.shape[1])]
    logits: Any = None
    for t, values in enumerate(steps):
        named = {f"state_{place}": value for place, value in enumerate(state)}
        logits, *state = session.run(None, {"inputs": values.numpy(), "step": np.array([t]), **named})
    return logits


def _session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def by_torch_export(path: Path, inputs: Tensor) -> Logits:
    """Logits of a torch.export program."""
    return np.asarray(torch.export.load(path).module()(inputs).detach())


def steps_of(model: SResNet, inputs: Tensor) -> Tensor:
    """The input of each time step, (T, B, C, H, W), of inputs as in training; Poisson spikes are drawn with seed 0."""
    if model.frames:
        return inputs.transpose(0, 1)
    steps = model.config.time_steps
    encoded = ENCODINGS[model.config.encoding](inputs, steps, torch.Generator().manual_seed(0))
    return encoded.expand(steps, *encoded.shape[1:])
