"""A stand-in for the authors' model.py, which we may not redistribute: their interface and names around our
step-by-step implementation. A test sets FAULT to introduce a difference."""

from dataclasses import replace

import helper  # type: ignore[import-not-found] # a file beside it, as theirs have: by its plain name
import torch
from torch import Tensor, nn
from torchvision import transforms

from benchmarks.step_by_step import NormedConvolution, StepByStep, SteppedLayer
from models.neuron import Spike
from models.sresnet import SResNet
from models.surrogate import AUTHORS
from tests.train.tiny import NETWORK

FAULT = ""
assert helper.BESIDE


class Neurons(nn.Module):
    """Neurons that fire through the network's spike_fn."""

    def __init__(self, network: "SResnet", leak: float) -> None:
        super().__init__()
        self.network, self.leak = [network], leak  # in a list, so that it is no part of it
        self.membrane: Tensor | None = None

    def forward(self, current: Tensor) -> Tensor:
        membrane = torch.zeros_like(current).cuda() if self.membrane is None else self.membrane
        membrane = self.leak * membrane + current
        spikes: Tensor = self.network[0].spike_fn(membrane - 1.0)
        self.membrane = (
            torch.where(spikes > 0, 0.0, membrane) if FAULT == "reset to zero" else membrane - spikes.detach()
        )
        return spikes


class SResnet(nn.Module):
    channels = 3

    def __init__(
        self,
        n: int,
        nFilters: int,  # noqa: N803 (their name)
        num_steps: int,
        leak_mem: float,
        img_size: int,
        num_cls: int,
        boosting: bool = False,
    ) -> None:
        super().__init__()
        print("built")
        config = replace(NETWORK, blocks=n, width=nFilters, time_steps=num_steps, leak=leak_mem)
        shape, frames = (self.channels, img_size, img_size), self.channels == 2
        model = SResNet(config, input_shape=shape, classes=num_cls * (10 if boosting else 1), frames=frames)
        inner = StepByStep(model)
        layers = [inner.stem, *(layer for block in inner.blocks for layer in (block.first, block.second))]
        skips = [block.skip for block in inner.blocks if isinstance(block.skip, NormedConvolution)]
        for layer in layers:
            assert isinstance(layer, SteppedLayer)
            layer.neurons = Neurons(self, leak_mem)  # type: ignore[assignment]
            if FAULT == "no bias":
                for norm in layer.norms:
                    norm.bias = None
        self.boosting, self.inner = boosting, [inner]
        self.conv1, self.bntt1 = layers[0].conv, layers[0].norms
        self.conv_list = nn.ModuleList(layer.conv for layer in layers)
        self.bntt_list = nn.ModuleList(layer.norms for layer in layers)
        self.conv1x1_list = nn.ModuleList(skip.conv for skip in skips)
        self.bn_conv1x1_list = nn.ModuleList(skip.norms for skip in skips)
        self.fc = inner.linear
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, gain=2)

    def spike_fn(self, excess: Tensor) -> Tensor:
        if FAULT == "steeper surrogate":
            excess = 2 * excess - excess.detach()  # the same value, twice the derivative
        fired: Tensor = Spike.apply(excess, AUTHORS)
        return fired

    def forward(self, inputs: Tensor) -> Tensor:
        (inner,) = self.inner
        for module in inner.modules():
            if isinstance(module, Neurons):
                module.membrane = None
        logits = -inner(inputs) if FAULT == "sign" else inner(inputs)
        return logits.unflatten(1, (-1, 10)).mean(2) if self.boosting else logits


class SResnetNM(SResnet):
    channels = 2

    def forward(self, inputs: Tensor) -> Tensor:
        resized = transforms.Resize([64, 64])(inputs.flatten(0, 1))
        return super().forward(resized.unflatten(0, inputs.shape[:2]))
