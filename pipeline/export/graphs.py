"""The network as ONNX and torch.export files. Shapes: B samples (any number), T time steps, K classes.

A window is the whole network: inputs as in training to logits (B, K). A step is one time step, (inputs, step, state) to
(logits, state after it); a stream calls it T times, from the state of StepNetwork.start.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.sresnet import SResNet
from models.stepwise import StepNetwork, WholeWindow

_BATCH = torch.export.Dim("batch", min=1, max=65_536)


class FlatStep(nn.Module):
    """StepNetwork with the state's tensors as single inputs and outputs, as ONNX needs them."""

    def __init__(self, network: StepNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, step: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Logits and the state after the step."""
        logits, after = self.network(inputs, step, state)
        return logits, *after


def write_onnx_window(model: SResNet, path: Path) -> Path:
    """Writes all T steps, unrolled, and returns the path. Raises ValueError for Poisson encoding."""
    window = WholeWindow(model).eval()
    _onnx(window, (_example(model),), path, ["inputs"], ["logits"], {"inputs": {0: _BATCH}})
    return path


def write_onnx_step(model: SResNet, path: Path) -> Path:
    """Writes one time step and returns the path: `inputs` (B, C, H, W), `step` (1,) int64 from 0, `state_0` and on."""
    network = StepNetwork(model).eval()
    state = network.start(2)
    names = [f"state_{place}" for place in range(len(state))]
    outputs = ["logits", *(f"{name}_after" for name in names)]
    shapes = {"inputs": {0: _BATCH}, "step": None, "state": tuple({0: _BATCH} for _ in state)}
    arguments = (torch.zeros(2, *model.input_shape), torch.zeros(1, dtype=torch.int64), *state)
    _onnx(FlatStep(network), arguments, path, ["inputs", "step", *names], outputs, shapes)
    return path


def write_program(model: SResNet, path: Path) -> Path:
    """Writes all T steps as a torch.export program and returns the path; `torch.export.load(path).module()` runs it."""
    with _exportable():
        program = torch.export.export(
            WholeWindow(model).eval(), (_example(model),), dynamic_shapes={"inputs": {0: _BATCH}}
        )
        torch.export.save(program, path)
    return path


def _onnx(
    module: nn.Module, arguments: tuple[Tensor, ...], path: Path, inputs: list[str], outputs: list[str], shapes: Any
) -> None:
    with _exportable():
        torch.onnx.export(
            module,
            arguments,
            path,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
        )


def _example(model: SResNet) -> Tensor:
    """Two samples: torch.export takes a size of 1 for a constant."""
    return torch.zeros(2, *((model.config.time_steps,) if model.frames else ()), *model.input_shape)


@contextlib.contextmanager
def _exportable() -> Iterator[None]:
    """Within the block, torch.export can read cuDNN's settings, and says nothing of its own on the terminal."""
    before = torch.backends.cudnn.conv.fp32_precision  # type: ignore[attr-defined] # which torch's types do not know
    torch.backends.cudnn.allow_tf32 = False  # it refuses models/precision.py's finer setting
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        torch.backends.cudnn.conv.fp32_precision = before  # type: ignore[attr-defined]
