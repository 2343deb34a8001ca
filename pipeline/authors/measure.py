"""What decides the claims that need no training: sizes of networks, and agreement with recorded numbers."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models.hooks import layer_hooks
from models.residual import Layer
from models.sresnet import SResNet
from pipeline.authors.recorded import NETWORKS
from pipeline.authors.replay import deviations
from pipeline.judge.claims import AgreementClaim, Claim, CountClaim
from pipeline.judge.measured import Measurement


def measure(claims: Iterable[Claim], golden: Path) -> dict[str, Measurement]:
    """The measurement of each such claim, by its id. One thread, so that a processor gives the same bits each time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        claims = list(claims)
        sizes = {claim.id: size_of(claim) for claim in claims if isinstance(claim, CountClaim)}
        agreement = [claim for claim in claims if isinstance(claim, AgreementClaim)]
        apart = deviations(golden) if agreement else {}
        return sizes | {
            claim.id: Measurement(found=rounded_up(apart[claim.of]), compared=compared(claim)) for claim in agreement
        }
    finally:
        torch.set_num_threads(threads)


def size_of(claim: CountClaim) -> Measurement:
    """Trained values, or multiply-adds of one time step, of the network that the claim is about."""
    *frames, channels, height, width = claim.configuration.dataset.sample_shape
    network, one_step = claim.configuration.network, claim.of == "multiply-adds"
    network = replace(network, time_steps=1) if one_step else network
    model = SResNet(network, input_shape=(channels, height, width), classes=claim.classes, frames=bool(frames))
    found = multiply_adds(model) if one_step else sum(one.numel() for one in model.parameters())
    return Measurement(found=found, compared=f"the network of {network.blocks * 6 + 2} layers, built and counted")


def multiply_adds(model: SResNet) -> int:
    """Of one sample and time step: each weight of a convolution at each place of its output, and the readout's."""
    places: dict[str, int] = {}

    def count(name: str, layer: Layer, _: tuple[Tensor, ...], output: Tensor) -> None:
        places[name] = layer.conv.weight.numel() * output.shape[-2] * output.shape[-1]

    one = torch.zeros(1, *((1,) if model.frames else ()), *model.input_shape)
    with torch.no_grad(), layer_hooks(model, Layer, count):
        model.eval()(one)
    return sum(places.values()) + sum(one.weight.numel() for one in model.modules() if isinstance(one, nn.Linear))


def compared(claim: AgreementClaim) -> str:
    """In words, for the report."""
    networks = f"of {len(NETWORKS)} networks in float64"
    return {
        "logits": f"logits and losses {networks}, three training steps and an evaluation each",
        "gradients": f"the gradient of every weight {networks}",
        "training": f"weights and running statistics {networks} after three steps",
        "frames": "every count of 8 frames of a simulated DVS128 recording of 5,003 events",
    }[claim.of]


def rounded_up(deviation: float) -> float:
    """To one digit: further digits of a sum of rounding errors say nothing."""
    digit = float(f"{deviation:.0e}")
    return digit if digit >= deviation else float(f"{digit + 10.0 ** float(f'{digit:e}'.partition('e')[2]):.0e}")
