"""The network in NIR, the exchange format of neuromorphic simulators and chips (Pedersen et al. 2024).

NIR's neurons are differential equations with a reset to a value, so the network must be one that they can say. One time
step is DT seconds of the forward Euler method.
"""

import math
from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.neuron import THRESHOLD, Neurons
from models.readout import Boosting
from models.residual import Block, Firing, Layer, SpikingLayer
from models.sresnet import SResNet
from models.stepwise import folded

DT = 1e-4
"""Duration of a time step (seconds), the value that snnTorch and SpikingJelly assume."""

_LARGEST_LEAK = 1 - 2**-24
"""In a layer of trained leaks: one that rounds to 1 would have an infinite time constant."""

_SAYABLE: dict[str, tuple[object, ...]] = {
    "neuron": ("lif",),
    "reset": ("zero",),
    "normalization": ("bn", "tdbn", "none"),
    "shortcut": ("spike-add", "vanilla", "membrane", "none"),
    "encoding": ("direct",),
    "readout": ("mean-voltage", "boosting"),
    "precision": ("float32", "tf32"),
}


def unsayable(config: NetworkConfig) -> list[str]:
    """The parts of a network that NIR cannot say, each with those that it can; empty if it can say the network."""
    parts = {name: getattr(config, name) for name in _SAYABLE}
    return [
        f"{name} {part} (only {', '.join(map(str, _SAYABLE[name]))})"
        for name, part in parts.items()
        if part not in _SAYABLE[name]
    ]


def write_nir(model: SResNet, path: Path) -> Path:
    """Writes the network and returns the path. Raises ValueError that names every part that NIR cannot say."""
    nir.write(path, nir_graph(model))
    return path


class Graph:
    """Nodes and edges while they are collected. A value is the list of the nodes whose outputs are summed in it."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []

    def add(self, name: str, node: Any, values: list[str]) -> list[str]:
        """Adds a node that reads the sum of `values`; returns its output."""
        self.nodes[name] = node
        self.edges += [(value, name) for value in values]
        return [name]


def nir_graph(model: SResNet) -> Any:
    """The network as a nir.NIRGraph: one time step's input (C, H, W) to the integrated output currents (K, 1, 1).

    Its output after T steps, divided by T, are the logits. Raises ValueError that names every part that NIR cannot say.
    """
    if wrong := unsayable(model.config):
        raise ValueError(f"NIR cannot say {'; '.join(wrong)}")
    graph, size = Graph(), tuple(model.input_shape[1:])
    graph.nodes["input"] = nir.Input(np.array(model.input_shape))
    values, size = _layer(graph, "stem", model.stem, ["input"], size)
    for place, block in enumerate(model.blocks):
        assert isinstance(block, Block), "a network is made of blocks"
        values, size = _block(graph, f"block_{place}", block, values, size)
    values = _neurons(graph, "last", model.last, values, (model.readout.linear.in_features, *size))
    values = _readout(graph, model, values, size)
    graph.add("output", nir.Output(np.array([model.classes, 1, 1])), values)
    return nir.NIRGraph(nodes=graph.nodes, edges=graph.edges, type_check=False)


def _block(
    graph: Graph, name: str, block: Block, values: list[str], size: tuple[int, ...]
) -> tuple[list[str], tuple[int, ...]]:
    entered = _neurons(graph, f"{name}_enter", block.enter, values, (block.first.conv.in_channels, *size))
    between, smaller = _layer(graph, f"{name}_first", block.first, entered, size)
    second, _ = _layer(graph, f"{name}_second", block.second, between, smaller)
    skip = values
    if isinstance(block.skip, Layer):
        skip, _ = _layer(graph, f"{name}_skip", block.skip, values, size)
    joined = [*second, *skip] if block.shortcut.skips else second
    return _neurons(graph, f"{name}_leave", block.leave, joined, (block.second.conv.out_channels, *smaller)), smaller


def _layer(
    graph: Graph, name: str, layer: Layer, values: list[str], size: tuple[int, ...]
) -> tuple[list[str], tuple[int, ...]]:
    """Convolution with the normalization folded into it, and neurons; with the size of the output (H, W)."""
    conv, (scale, shift) = layer.conv, (part[0] for part in folded(layer, 1))
    weight = conv.weight * scale.view(-1, 1, 1, 1)
    node = _conv(size, weight, shift, int(conv.stride[0]), int(conv.padding[0]))
    output, size = graph.add(f"{name}_conv", node, values), tuple(map(int, node.output_type["output"][1:]))
    if isinstance(layer, SpikingLayer):
        output = graph.add(f"{name}_neurons", _node_of(layer.neurons, (len(shift), *size)), output)
    return output, size


def _neurons(graph: Graph, name: str, module: nn.Module, values: list[str], shape: tuple[int, ...]) -> list[str]:
    """Neurons alone, of this shape (C, H, W); the values themselves where the network has none."""
    return graph.add(name, _node_of(module.neurons, shape), values) if isinstance(module, Firing) else values


def _node_of(neurons: Neurons, shape: tuple[int, ...]) -> Any:
    """v <- leak v + I and a spike above 1 as NIR's neuron: leak = 1 - DT / tau, I = DT R I / tau."""
    leak = torch.tensor(neurons.leak) if neurons.leak_logit is None else neurons.leak_logit.sigmoid()
    leaks = np.broadcast_to(_array(leak.view(-1, 1, 1)), shape)
    threshold, zero = np.full(shape, THRESHOLD, np.float32), np.zeros(shape, np.float32)
    if (leaks == 1).all():
        return nir.IF(r=np.full(shape, 1 / DT, np.float32), v_threshold=threshold, v_reset=zero)
    tau = (DT / (1 - np.minimum(leaks.astype(np.float64), _LARGEST_LEAK))).astype(np.float32)
    return nir.LIF(tau=tau, r=tau / np.float32(DT), v_leak=zero, v_threshold=threshold, v_reset=zero)


def _readout(graph: Graph, model: SResNet, values: list[str], size: tuple[int, ...]) -> list[str]:
    """Mean over the pixels and linear layer (voters averaged) as one convolution of all pixels, then an integrator."""
    weight = model.readout.linear.weight
    if isinstance(model.readout, Boosting):
        weight = weight.unflatten(0, (model.classes, -1)).mean(1)
    weight = (weight / math.prod(size))[..., None, None].expand(-1, -1, *size)
    values = graph.add("readout_conv", _conv(size, weight, torch.zeros(model.classes), 1, 0), values)
    return graph.add("voltage", nir.I(r=np.full((model.classes, 1, 1), 1 / DT, np.float32)), values)


def _conv(size: tuple[int, ...], weight: Tensor, bias: Tensor, stride: int, padding: int) -> Any:
    return nir.Conv2d(
        input_shape=size,
        weight=_array(weight.contiguous()),
        stride=stride,
        padding=padding,
        dilation=1,
        groups=1,
        bias=_array(bias),
    )


def _array(values: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = values.detach().to(torch.float32).cpu().numpy()
    return array
