"""Initializations of the weights, by name. Shapes: T time steps, B samples, C channels, H height, W width."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from .hooks import layer_hooks
from .neuron import THRESHOLD
from .normalization import share_of_batch
from .residual import Layer, each_step

GAIN = 2.0  # authors' model.py, xavier_uniform_
"""Gain of `xavier`."""
Draw = Callable[[Generator], Tensor]
"""Draws a batch of random inputs of the network's input shape."""


def xavier(model: nn.Module, draw: Draw, generator: Generator) -> None:
    """Uniform, with gain 2. Source: the authors' model.py; Glorot & Bengio 2010."""
    for weight in _layer_weights(model):
        nn.init.xavier_uniform_(weight, gain=GAIN, generator=generator)


def kaiming(model: nn.Module, draw: Draw, generator: Generator) -> None:
    """Normal, with variance 2 / fan-in. He et al., "Delving Deep into Rectifiers" (2015)."""
    for weight in _layer_weights(model):
        nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


@torch.no_grad()
def threshold_balanced(model: nn.Module, draw: Draw, generator: Generator) -> None:
    """Xavier, then each layer's weights in turn are scaled so that its largest current equals the threshold.

    Spike-Norm of Sengupta et al., "Going Deeper in Spiking Neural Networks: VGG and Residual Architectures" (2019).
    They scale the thresholds instead, after training and on the training data; here the inputs are standard normal. It
    changes the first spikes only with normalization none: any other normalization cancels the factor.
    """
    xavier(model, draw, generator)
    with layer_hooks(model, Layer, _balance, before=True), share_of_batch(0):
        model(draw(generator), generator=generator)


def _balance(_: str, layer: Layer, inputs: tuple[Tensor, ...]) -> None:
    greatest = each_step(layer.conv, inputs[0]).max()
    if greatest > 0:  # a layer without input keeps its weights
        layer.conv.weight.mul_(THRESHOLD / greatest)


def _layer_weights(model: nn.Module) -> list[Tensor]:
    """Weights of convolutions and linear layers, in the order of computation."""
    return [module.weight for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


INITIALIZATIONS: dict[str, Callable[[nn.Module, Draw, Generator], None]] = {
    "xavier": xavier,
    "kaiming": kaiming,
    "threshold-balanced": threshold_balanced,
}
"""By the name in `initialization` of a NetworkConfig."""
