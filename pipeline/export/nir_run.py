"""Runs a NIR file with nirtorch. Shapes: B samples, T time steps, K classes."""

from pathlib import Path
from typing import Any

import nir
import nirtorch
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.export.check import Logits
from pipeline.export.nir_graph import DT


def by_nirtorch(path: Path, steps: Tensor) -> Logits:
    """Logits of a NIR file after all steps, from the inputs of each step (T, B, C, H, W).

    nirtorch walks the graph; the neurons are the equations of NIR's documentation.
    """
    network = nirtorch.nir_to_torch(nir.read(path), {nir.LIF: _Euler, nir.IF: _Euler, nir.I: _Euler})
    state: Any = {}
    output = steps[0]
    with torch.no_grad():
        for values in steps:
            output, state = network(values, state) if state else network(values)
    return np.asarray(output.flatten(1) / len(steps))


class _Euler(nn.Module):
    """A neuron of NIR by the forward Euler method with steps of DT."""

    tau: Tensor
    r: Tensor
    v_leak: Tensor
    v_threshold: Tensor
    v_reset: Tensor

    def __init__(self, node: Any) -> None:
        super().__init__()
        self.integrates = isinstance(node, nir.I)
        self.leaks = isinstance(node, nir.LIF)
        for name, value in vars(node).items():
            if isinstance(value, np.ndarray):
                self.register_buffer(name, torch.from_numpy(value))

    def forward(self, current: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        voltage = torch.zeros_like(current) if state is None else state
        change = (self.v_leak - voltage + self.r * current) / self.tau if self.leaks else self.r * current
        voltage = voltage + DT * change
        if self.integrates:
            return voltage, voltage
        fired = voltage > self.v_threshold
        return fired.to(current.dtype), torch.where(fired, self.v_reset, voltage)
