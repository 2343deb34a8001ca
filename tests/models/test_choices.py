"""Every combination of options gives a training step with finite gradients, or is refused with a reason."""

from dataclasses import replace
from itertools import combinations, product
from random import Random
from typing import Any, get_args, get_type_hints

import pytest
import torch

from models.config import NetworkConfig
from models.sresnet import SResNet
from pipeline.protocol.config import check_together
from pipeline.train.loss import LOSSES
from tests.train.tiny import NETWORK, TRAINING

CHOICES: dict[str, tuple[Any, ...]] = {
    name: get_args(kind) for name, kind in get_type_hints(NetworkConfig).items() if get_args(kind) and name[0] != "_"
} | {
    "leak": (0.8744, 0.0, 1.0),
    "time_steps": (2, 1),
    "loss": ("cross-entropy", "tet"),
    "frames": (False, True),
}
OF_TRAINING = ("loss", "distillation", "statistics")
DRAWS, EACH = 400, 16
pytestmark = pytest.mark.filterwarnings("ignore:the fused kernels support only")


def pairs() -> list[dict[str, Any]]:
    """The authors' choices but for any two, with what those two need to go together with the rest."""
    made = []
    for one, other in combinations(CHOICES, 2):
        for values in product(CHOICES[one], CHOICES[other]):
            chosen = dict(zip((one, other), values, strict=True))
            needed = {"downsampling": "spiking"} if chosen.get("shortcut") in ("and", "iand", "or") else {}
            needed |= {"time_steps": 1} if chosen.get("neuron") == "relu" else {}
            made.append(needed | chosen)
    return made


def some_pairs() -> list[dict[str, Any]]:
    return pairs()[::EACH]


def draws() -> list[dict[str, Any]]:
    """Any of all combinations, the same each time; the authors' choices, which all go together, twice as often."""
    random = Random(0)
    return [{name: random.choice((values[0], *values)) for name, values in CHOICES.items()} for _ in range(DRAWS)]


def outcome(choice: dict[str, Any]) -> str | None:
    """Why it is refused; None if it was and gave finite gradients of every parameter."""
    parts = dict(choice)
    training = replace(TRAINING, **{name: parts.pop(name) for name in OF_TRAINING if name in parts})
    frames = parts.pop("frames", False)
    try:
        config = replace(NETWORK, **parts)
        check_together(config, training)
        model = SResNet(config, input_shape=(2 if frames else 3, 8, 8), classes=3, frames=frames)
    except ValueError as error:
        return str(error)
    generator = torch.Generator().manual_seed(0)
    model.reset_parameters(generator)
    values = model.drawn(generator, samples=4)
    labels = torch.tensor([0, 1, 2, 0])
    logits, loss = LOSSES[training.loss](model, values, labels, generator, training)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert logits.shape == (4, 3), choice
    assert all(gradient.isfinite().all() for gradient in gradients), choice
    return None


def named(reason: str, choice: dict[str, Any]) -> bool:
    """Whether a reason names what was chosen."""
    return any(name in reason for name in choice)


@pytest.mark.parametrize("made", [some_pairs, draws, pytest.param(pairs, marks=pytest.mark.long)])
def test_every_combination_computes_or_is_refused(made: Any) -> None:
    choices = made()
    outcomes = [outcome(choice) for choice in choices]
    refused = [(choice, reason) for choice, reason in zip(choices, outcomes, strict=True) if reason is not None]
    assert all(named(reason, choice) for choice, reason in refused)
    assert len(choices) / 10 < len(choices) - len(refused) < len(choices)


REFUSED = [
    ({"shortcut": "and"}, "shortcut and combines spikes with spikes, so downsampling must be spiking, not real"),
    ({"shortcut": "membrane", "downsampling": "spiking"}, "shortcut membrane passes membranes on"),
    ({"shortcut": "none", "downsampling": "spiking"}, "shortcut none has no downsampling"),
    ({"leak": 1.0, "leak_trained": "layer"}, "leak_trained needs leak between 0 and 1"),
    ({"leak": 0.0, "leak_trained": "channel"}, "leak_trained needs leak between 0 and 1"),
    ({"leak": 0.0, "reset": "zero"}, "reset must be subtract with leak 0, which forgets what a reset leaves, not zero"),
    ({"neuron": "relu"}, "neuron relu has no time, so time_steps must be 1, not 2"),
    ({"neuron": "relu", "time_steps": 1, "encoding": "poisson"}, "neuron relu has no spikes, but encoding poisson"),
    ({"neuron": "relu", "time_steps": 1, "readout": "spike-count"}, "neuron relu has no spikes, but readout"),
    ({"encoding": "latency", "frames": True}, "encoding latency is for images; event frames need encoding direct"),
    ({"loss": "tet", "readout": "last-voltage"}, "loss tet takes .* must be mean-voltage or boosting, not last"),
    ({"distillation": 1.0, "time_steps": 1}, "distillation compares time steps, but model.time_steps is 1; set"),
    ({"distillation": 1.0, "readout": "spike-count"}, "distillation takes .* mean-voltage or boosting, not spike-"),
    ({"statistics": "recomputed", "normalization": "none"}, "statistics recomputed needs a normalization"),
    ({"surrogate_width": 0.0}, "surrogate_width must lie in 1e-06 to 1,000, not 0.0"),
]


@pytest.mark.parametrize(
    ("choice", "reason"), REFUSED, ids=lambda value: None if isinstance(value, str) else str(value)
)
def test_reasons(choice: dict[str, Any], reason: str) -> None:
    found = outcome(choice)
    assert found is not None
    with pytest.raises(ValueError, match=reason):
        raise ValueError(found)
