"""Golden values for rules of this network and its data that a port easily gets wrong, on numbers that can be checked by
hand. Like the canaries of other libraries, they report an edit that changes a rule by the rule's name.

Shapes: T time steps, S stored steps, P pixels of all samples, C channels.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn import Conv2d

from models.config import NetworkConfig
from models.kernels.choice import chosen, implementation
from models.neuron import lif_step, surrogate_of
from models.normalization import Normalization
from models.sresnet import SResNet
from pipeline.data.recording import Recording
from pipeline.preprocess.frames import Framing, frames_of_bytes, to_frames
from pipeline.preprocess.recordings import orient
from pipeline.verify.canaries import Canary

OURS = "sresnet-repro"
NETWORK = NetworkConfig(
    blocks=1,
    width=2,
    time_steps=3,
    neuron="lif",
    leak=0.5,
    leak_trained="never",
    normalization="bntt",
    shortcut="spike-add",
    downsampling="real",
    surrogate="triangle",
    surrogate_height=0.3,
    surrogate_width=1.0,
    reset="subtract",
    encoding="direct",
    readout="mean-voltage",
    initialization="xavier",
    precision="float32",
)


def _fired(currents: Sequence[float], leak: float) -> list[list[float]]:
    """Spikes of one neuron: step by step, by the reference kernel, and by the CPU kernel; one list if all agree."""
    membrane, stepped = torch.zeros(()), []
    for current in currents:
        spike, membrane = lif_step(torch.tensor(current), membrane, leak, surrogate_of(NETWORK))
        stepped.append(spike.item())
    values, ones = torch.tensor(currents).view(-1, 1, 1), torch.ones(len(currents), 1)
    found = [stepped]
    for name in ("reference", "cpu"):
        with implementation(name):
            fired = chosen(values).fire(values, ones, torch.zeros_like(ones), None, leak)
        found.append(fired.flatten().tolist())
    return found if found[0] != found[1] or found[0] != found[2] else [found[0]]


def _at_the_threshold() -> object:
    """Without a leak: 1 is not above 1; then 1 + 1 = 2 is, and leaves 1."""
    return _fired([1.0, 1.0, 1.0], leak=1.0)


def _reset() -> object:
    """Spikes reduce the membrane from 3.5 to 2.5, 1.5 and 0.5, which does not fire."""
    return _fired([3.5, 0.0, 0.0, 0.0], leak=1.0)


def _leak() -> object:
    """0.75, 0.375 + 0.75 = 1.125 (a spike leaves 0.125), 0.8125, 0.40625 + 0.75 = 1.15625, 0.828125."""
    return _fired([0.75] * 5, leak=0.5)


def _network(bias: float, inputs: float) -> tuple[SResNet, torch.Tensor]:
    """A network with zero convolutions, so that only the bias drives neurons, and a constant input."""
    model = SResNet(NETWORK, input_shape=(1, 4, 4), classes=2, frames=False)
    for module in model.modules():
        if isinstance(module, Conv2d):
            module.weight.data.zero_()
        if isinstance(module, Normalization):
            module.bias.data.fill_(bias)
    return model.eval(), torch.full((1, 1, 4, 4), inputs)


def _biases() -> object:
    """With zero input, a bias of 1.5 alone makes each of the first 2 x 4 x 4 neurons fire at each step."""
    model, nothing = _network(1.5, 0.0)
    return model.observe(nothing).spikes["stem"].tolist()


def _trained_biases() -> object:
    """Gains and biases are trained parameters, one per time step and channel."""
    model, _ = _network(0.0, 0.0)
    return [list(value.shape) for name, value in model.named_parameters() if name.startswith("stem.norm")]


def _alone() -> object:
    """In evaluation mode, a sample's outputs do not depend on the other samples of the batch."""
    model, one = _network(0.3, 1.0)
    model.reset_parameters(torch.Generator().manual_seed(0))
    both = torch.cat([one, -5 * one])
    return bool(torch.equal(model.observe(both).voltage[:1], model.observe(one).voltage))


def _shortcut() -> object:
    """Biases of 1.5 make all neurons fire: the block adds its spikes (1) to the skip (1) without another neuron: 2."""
    model, nothing = _network(1.5, 0.0)
    with torch.no_grad():
        block = model.blocks[0](model.stem(nothing.expand(3, 1, 1, 4, 4)))
    return sorted(set(block.flatten().tolist()))


def _recording(number: int) -> Recording:
    place = np.arange(number)
    return Recording(t=place, x=place % 4, y=place * 0, p=place * 0 + 1, width=4, height=4)


def _remainder() -> object:
    return [int(frame.sum()) for frame in to_frames(_recording(7), 3, 4)]


def _remainder_of_bytes() -> object:
    frames, _ = frames_of_bytes(_aedat2(7), ".aedat", "golden", Framing(num_frames=3, size=128, orientation=None))
    return [int(frame.sum()) for frame in frames]


def _aedat2(number: int) -> bytes:
    """Events of polarity 1 at column 3, row 100."""
    event = (100 << 8 | 3 << 1 | 1).to_bytes(4, "big")
    return b"#!AER-DAT2.0\r\n" + b"".join(event + time.to_bytes(4, "big") for time in range(number))


def _place() -> object:
    """Frame, polarity, row and column at which an event of `_aedat2` is counted, without and with the orientation
    rule."""
    rules = (Framing(num_frames=1, size=128, orientation=rule) for rule in (None, "cifar10-dvs"))
    counted = [frames_of_bytes(_aedat2(1), ".aedat", "golden", rule)[0] for rule in rules]
    return [[int(value) for value in np.argwhere(frames)[0]] for frames in counted]


def _turned() -> object:
    one = np.array([1])
    event = Recording(t=one, x=one * 3, y=one * 100, p=one, width=128, height=128)
    turned = orient(event, "cifar10-dvs")
    return [int(values[0]) for values in (turned.x, turned.y, turned.p)]


_RULE = Canary(name="", package=OURS, rule="", moves="", probe=_reset, pinned=None)
RULES = tuple(
    replace(_RULE, name=name, rule=rule, moves=moves, probe=probe, pinned=pinned)
    for name, rule, moves, probe, pinned in (
        ("threshold", "a membrane at the threshold does not fire", "spikes", _at_the_threshold, [[0.0, 1.0, 1.0]]),
        ("reset", "a spike takes the threshold from the membrane", "spikes", _reset, [[1.0, 1.0, 1.0, 0.0]]),
        ("leak", "what is left of the membrane decays once a step", "spikes", _leak, [[0.0, 1.0, 0.0, 1.0, 0.0]]),
        ("bias", "biases of the normalization drive neurons", "spikes", _biases, [32, 32, 32]),
        ("trained-bias", "gain and bias of each step are trained", "weights", _trained_biases, [[3, 2], [3, 2]]),
        ("alone", "a tested sample does not know its batch", "every prediction", _alone, True),
        ("shortcut", "spikes and the skip are added, without a neuron", "what flows on", _shortcut, [2.0]),
        ("remainder", "the last of T slices takes the remainder", "frames", _remainder, [2, 2, 3]),
        ("remainder-bytes", "so it is where bytes are counted", "frames", _remainder_of_bytes, [2, 2, 3]),
        (
            "place",
            "an event is counted at its polarity, row, column",
            "frames",
            _place,
            [[0, 1, 100, 3], [0, 0, 124, 27]],
        ),
        ("orientation", "cifar10-dvs turns x, y and polarity", "frames", _turned, [27, 124, 0]),
    )
)
