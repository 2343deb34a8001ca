"""A trained SResNet one time step at a time, in plain PyTorch: for streams, and for export to other programs.

Computes in evaluation what models/sresnet.py computes, without its kernels. The membranes are an input and an output,
so that a caller can stop after any step. Shapes: B samples, T time steps, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .encoding import ENCODINGS
from .neuron import RESETS, THRESHOLD, Neurons
from .readout import AfterAllSteps, LastVoltage, MaximumVoltage, SpikeCount
from .residual import Block, Firing, Layer, SpikingLayer
from .sresnet import SResNet


class StepState:
    """What the network keeps from one time step to the next, in the order in which its layers compute."""

    def __init__(self, before: Sequence[Tensor] | None = None) -> None:
        """`before` is the state after the previous step; None before the first step."""
        self._before = before
        self.start: list[float] = []
        self.after: list[Tensor] = []

    def take(self, like: Tensor, start: float = 0.0) -> Tensor:
        """The next value, of the shape of `like`; filled with `start` before the first step."""
        self.start.append(start)
        return torch.full_like(like, start) if self._before is None else self._before[len(self.after)]

    def keep(self, value: Tensor) -> Tensor:
        """Keeps the value that replaces the one last taken, and returns it."""
        self.after.append(value)
        return value


class StepNeurons(nn.Module):
    """The neurons of a layer at one time step: currents (B, C, H, W) to spikes of the same shape."""

    trained_leak: Tensor | None

    def __init__(self, neurons: Neurons) -> None:
        super().__init__()
        self.kind, self.leak, self.reset = neurons.kind, neurons.leak, RESETS[neurons.reset]
        logit = neurons.leak_logit
        self.register_buffer("trained_leak", None if logit is None else logit.detach().sigmoid().view(-1, 1, 1))

    def forward(self, currents: Tensor, state: StepState) -> Tensor:
        if self.kind == "relu":
            return currents.relu()
        leak = self.leak if self.trained_leak is None else self.trained_leak
        membrane = leak * state.take(currents) + currents
        spikes = (membrane > THRESHOLD).to(currents.dtype)
        state.keep(self.reset(membrane, spikes))
        return spikes


class StepLayer(nn.Module):
    """Convolution, normalization by the running statistics and, where the layer has them, neurons."""

    scale: Tensor
    shift: Tensor

    def __init__(self, layer: Layer, time_steps: int) -> None:
        super().__init__()
        self.conv = layer.conv
        scale, shift = folded(layer, time_steps)
        self.register_buffer("scale", scale[..., None, None])
        self.register_buffer("shift", shift[..., None, None])
        self.neurons = StepNeurons(layer.neurons) if isinstance(layer, SpikingLayer) else None

    def forward(self, values: Tensor, step: Tensor, state: StepState, skip: Tensor | None = None) -> Tensor:
        """(B, C, H, W) to (B, C', H', W'); `step` is 0 to T - 1, shape (1,)."""
        scale, shift = (part.index_select(0, step) for part in (self.scale, self.shift))
        output = self.conv(values) * scale + shift
        if self.neurons is not None:
            output = self.neurons(output, state)
        return output if skip is None else output + skip


class StepBlock(nn.Module):
    """A residual block at one time step."""

    def __init__(self, block: Block, time_steps: int) -> None:
        super().__init__()
        self.join = block.shortcut.join
        self.enter, self.leave = _neurons(block.enter), _neurons(block.leave)
        self.first, self.second = StepLayer(block.first, time_steps), StepLayer(block.second, time_steps)
        self.skip = StepLayer(block.skip, time_steps) if isinstance(block.skip, Layer) else None

    def forward(self, values: Tensor, step: Tensor, state: StepState) -> Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        entered = values if self.enter is None else self.enter(values, state)
        between = self.first(entered, step, state)
        skip = values if self.skip is None else self.skip(values, step, state)
        joined = self.join(lambda *given: self.second(given[0], step, state, *given[1:]), between, skip)
        return joined if self.leave is None else self.leave(joined, state)


class StepNetwork(nn.Module):
    """The network at one time step, with its normalization as it is now: after more training, make a new one.

    Raises ValueError for precision bfloat16, which is for the kernels alone.
    """

    def __init__(self, model: SResNet) -> None:
        super().__init__()
        if model.config.precision == "bfloat16":
            raise ValueError("precision bfloat16 cannot be computed step by step; only float32 and tf32 can")
        steps = model.config.time_steps
        self.time_steps, self.input_shape = steps, model.input_shape
        self.stem = StepLayer(model.stem, steps)
        self.blocks = nn.ModuleList(StepBlock(block, steps) for block in model.blocks if isinstance(block, Block))
        self.last, self.readout = _neurons(model.last), model.readout
        self.fire = StepNeurons(self.readout.fire.neurons) if isinstance(self.readout, SpikeCount) else None

    def forward(self, inputs: Tensor, step: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, K) and state after the step, from the step's input (B, C, H, W) and the state before it.

        `step` is 0 to T - 1, int64 of shape (1,). The state before step 0 is `start(B)`. After the last step the logits
        are those of SResNet; before it, their order is that of its scores after the same step.
        """
        state = StepState(before)
        return self._step(inputs, step, state), state.after

    def start(self, batch: int) -> list[Tensor]:
        """The state before the first step, for a batch of this size."""
        weight, state = self.stem.conv.weight, StepState()
        with torch.no_grad():
            inputs = torch.zeros(batch, *self.input_shape, dtype=weight.dtype, device=weight.device)
            self._step(inputs, torch.zeros(1, dtype=torch.int64, device=weight.device), state)
        return [torch.full_like(value, start) for value, start in zip(state.after, state.start, strict=True)]

    def _step(self, inputs: Tensor, step: Tensor, state: StepState) -> Tensor:
        values = self.stem(inputs, step, state)
        for block in self.blocks:
            values = block(values, step, state)
        if self.last is not None:
            values = self.last(values, state)
        return self._logits(self.readout(values.mean((2, 3))), state)

    def _logits(self, currents: Tensor, state: StepState) -> Tensor:
        """The readout's scores after the step, (B, K), from the currents (B, K) of its output neurons."""
        if self.fire is not None:
            fired = self.fire(currents[..., None, None], state)[..., 0, 0]
            return state.keep(state.take(fired) + fired)
        if not isinstance(self.readout, AfterAllSteps):
            return state.keep(state.take(currents) + currents) / self.time_steps
        assert isinstance(self.readout, LastVoltage), "the remaining readouts have a voltage"
        voltage = state.keep(self.readout.leak * state.take(currents) + currents)
        if isinstance(self.readout, MaximumVoltage):
            return state.keep(torch.maximum(state.take(currents, -torch.inf), voltage))
        return voltage


class WholeWindow(nn.Module):
    """All T steps of a StepNetwork, unrolled: inputs as of SResNet, to logits (B, K).

    Raises ValueError for Poisson encoding, whose spikes are drawn.
    """

    def __init__(self, model: SResNet) -> None:
        super().__init__()
        if model.config.encoding == "poisson":
            raise ValueError("encoding poisson draws its spikes; only one time step can be exported, on drawn spikes")
        self.step, self.frames, self.encoding = StepNetwork(model), model.frames, ENCODINGS[model.config.encoding]

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W), or event frames (B, T, C, H, W), to (B, K). Raises ValueError for another number of frames."""
        steps = self.step.time_steps
        if self.frames and inputs.shape[1] != steps:
            raise ValueError(f"{inputs.shape[1]} frames per sample, but the network has {steps} time steps")
        values = inputs.transpose(0, 1) if self.frames else self.encoding(inputs, steps, None)
        state = StepState()
        logits = inputs.new_zeros(())
        for t in range(steps):
            logits = self.step._step(
                values[t if len(values) > 1 else 0], torch.tensor([t], device=inputs.device), state
            )
            state = StepState(state.after)
        return logits


def folded(layer: Layer, time_steps: int) -> tuple[Tensor, Tensor]:
    """Scale and shift, (T, C), that the layer's normalization in evaluation applies to its currents."""
    weight = layer.conv.weight
    like = torch.zeros(1, 1, len(weight), 1, 1, dtype=weight.dtype, device=weight.device)
    training = layer.norm.training
    with torch.no_grad():
        gain, bias, statistics = layer.norm.eval()(like, time_steps)
        scale = (gain * statistics.inverse).expand(time_steps, -1)
        shift = (bias - statistics.mean * gain * statistics.inverse).expand(time_steps, -1)
    layer.norm.train(training)
    return scale, shift


def _neurons(module: nn.Module) -> StepNeurons | None:
    return StepNeurons(module.neurons) if isinstance(module, Firing) else None
