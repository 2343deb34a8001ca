"""What the authors' code computed and recorded, computed again by ours: how far the two are apart.

A deviation is the largest |ours - theirs| / (1 + |theirs|) over all numbers that are compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.sresnet import SResNet
from pipeline.authors.checkpoint import from_authors, parameter_names, without_doubles
from pipeline.authors.recorded import NETWORKS, STEPS, Recorded, recorded_network
from pipeline.preprocess.frames import Framing, frames_of_bytes

RECORDING, FRAMES = "simulated.aedat", "simulated_frames.npz"


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What our network computes on the recorded inputs, from the recorded weights."""

    model: SResNet
    """After the recorded steps."""
    gradients: dict[str, Tensor]
    """Of the first step."""
    logits: list[Tensor]
    losses: list[Tensor]


def replay(file: Recorded) -> Replayed:
    """The recorded steps: cross-entropy and SGD with momentum 0.9 and weight decay 1e-4."""
    model = from_authors(file.state_dict("init"), leak=file.leak, boosting=file.boosting).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0268, momentum=0.9, weight_decay=1e-4)
    replayed = Replayed(model=model, gradients={}, logits=[], losses=[])
    for step in STEPS:
        optimizer.zero_grad()
        logits = model(file.input(f"step{step}"))
        loss = cross_entropy(logits, file.values[f"step{step}/label"])
        loss.backward()
        if step == 0:
            gradients = {key: value.grad for key, value in model.named_parameters() if value.grad is not None}
            replayed.gradients.update({key: value.clone() for key, value in gradients.items()})
        optimizer.step()
        replayed.logits.append(logits.detach())
        replayed.losses.append(loss.detach())
    return replayed


def deviations(folder: Path) -> dict[str, float]:
    """The largest deviation of each kind over the four recorded networks, and that of the recorded frames."""
    found = [network_deviations(recorded_network(folder, name)) for name in NETWORKS]
    return {kind: max(one[kind] for one in found) for kind in found[0]} | {"frames": frames_deviation(folder)}


def network_deviations(file: Recorded) -> dict[str, float]:
    """logits: of each step, with its loss, and of an evaluation; gradients: of the first step; training: weights and
    running statistics after the last.
    """
    made = replay(file)
    state = {key: value.detach() for key, value in made.model.state_dict().items()}
    return {
        "logits": max(_outputs(file, made)),
        "gradients": max(by_name(made.model, made.gradients, file.state_dict("step0/grad"))),
        "training": max(by_name(made.model, state, file.state_dict("final"))),
    }


def _outputs(file: Recorded, made: Replayed) -> Iterator[float]:
    for step in STEPS:
        yield deviation(made.logits[step], file.values[f"step{step}/logits"])
        yield deviation(made.losses[step], file.values[f"step{step}/loss"].reshape(()))
    for network in (made.model, from_authors(file.state_dict("final"), leak=file.leak, boosting=file.boosting)):
        with torch.no_grad():
            yield deviation(network.eval()(file.input("eval")), file.values["eval/logits"])


def by_name(model: SResNet, ours: Mapping[str, Tensor], doubled: Mapping[str, Tensor]) -> Iterator[float]:
    """The deviation of each tensor; infinite if one of theirs has none of ours beside it, or the other way round."""
    theirs = without_doubles(doubled)
    compared: set[str] = set()
    for name, names in parameter_names(model).items():
        if name in ours and theirs.keys() >= set(names):
            stacked = torch.stack([theirs[key] for key in names])
            yield deviation(ours[name], stacked if "norm" in name else stacked[0])
            compared.update(names)
    left = [key for key in theirs.keys() - compared if not key.endswith("num_batches_tracked")]
    if left or not compared:
        yield float("inf")


def deviation(ours: Tensor, theirs: Tensor) -> float:
    """Infinite if one is no number, or shapes or types differ."""
    if ours.shape != theirs.shape or not ours.dtype == theirs.dtype == torch.float64:
        return float("inf")
    return float(((ours - theirs).abs() / (1 + theirs.abs())).max().nan_to_num(nan=float("inf")))


def frames_deviation(folder: Path) -> float:
    """Largest difference of a count from SpikingJelly's frames of a simulated recording; infinite if shapes differ."""
    with np.load(folder / FRAMES) as file:
        theirs = file["frames"]
    framing = Framing(num_frames=theirs.shape[0], size=theirs.shape[-1], orientation="cifar10-dvs")
    ours, _ = frames_of_bytes((folder / RECORDING).read_bytes(), ".aedat", RECORDING, framing)
    return float(np.abs(ours.astype(int) - theirs).max()) if ours.shape == theirs.shape else float("inf")
