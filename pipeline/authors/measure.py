"""What decides the claims that need no training: sizes of networks, and agreement with recorded numbers."""

from collections.abc import Iterable
from dataclasses import replace
from math import isinf
from pathlib import Path

import torch
from torch import Tensor, nn

from models.hooks import layer_hooks
from models.residual import Layer
from models.sresnet import SResNet
from pipeline.authors.replay import deviations
from pipeline.judge.claims import AgreementClaim, Claim, CountClaim
from pipeline.judge.measured import MeasuredNumber


def measure(claims: Iterable[Claim], golden: Path) -> dict[str, MeasuredNumber]:
    """The measurement of each such claim, by its id. One thread, so that a processor gives the same bits each time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        claims = list(claims)
        sizes = {claim.id: size_of(claim) for claim in claims if isinstance(claim, CountClaim)}
        agreement = [claim for claim in claims if isinstance(claim, AgreementClaim)]
        apart = deviations(golden) if agreement else {}
        return sizes | {claim.id: rounded_up(apart[claim.of]) for claim in agreement}
    finally:
        torch.set_num_threads(threads)


def size_of(claim: CountClaim) -> int:
    """Trainable parameters, or multiply-adds of one time step, of the network that the claim is about."""
    *frames, channels, height, width = claim.configuration.dataset.sample_shape
    network, one_step = claim.configuration.network, claim.of == "multiply-adds"
    network = replace(network, time_steps=1) if one_step else network
    model = SResNet(network, input_shape=(channels, height, width), classes=claim.classes, frames=bool(frames))
    return multiply_adds(model) if one_step else sum(one.numel() for one in model.parameters())


def multiply_adds(model: SResNet) -> int:
    """Of one sample and time step: each weight of a convolution at each place of its output, and the readout's."""
    places: dict[str, int] = {}

    def count(name: str, layer: Layer, _: tuple[Tensor, ...], output: Tensor) -> None:
        places[name] = layer.conv.weight.numel() * output.shape[-2] * output.shape[-1]

    one = torch.zeros(1, *((1,) if model.frames else ()), *model.input_shape)
    with torch.no_grad(), layer_hooks(model, Layer, count):
        model.eval()(one)
    return sum(places.values()) + sum(one.weight.numel() for one in model.modules() if isinstance(one, nn.Linear))


def rounded_up(deviation: float) -> float | None:
    """To one digit, since further digits of a sum of rounding errors say nothing; None if it is infinite."""
    if isinf(deviation):
        return None
    digit = float(f"{deviation:.0e}")
    return digit if digit >= deviation else float(f"{digit + 10.0 ** int(f'{digit:e}'.partition('e')[2]):.0e}")
