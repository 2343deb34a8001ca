"""One time step at a time gives what the network gives over all of them."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.sresnet import SResNet
from models.stepwise import StepNetwork, WholeWindow
from tests.models.small import drawn, small_inputs, small_network
from tests.models.test_choices import CHOICES, draws
from tests.train.tiny import NETWORK

pytestmark = pytest.mark.filterwarnings("ignore:the fused kernels support only")
EVERY_PART = [
    {name: value} | ({"downsampling": "spiking"} if value in ("and", "iand", "or") else {})
    for name, values in CHOICES.items()
    for value in values
    if name not in ("neuron", "precision", "loss", "time_steps")
] + [{"neuron": "relu", "time_steps": 1}, {"shortcut": "membrane", "frames": True, "normalization": "tebn"}]


def known(**parts: Any) -> SResNet:
    """A network in evaluation that has seen two batches."""
    model = small_network(**parts)
    model.train()
    for seed in (5, 6):
        with torch.no_grad():
            model(drawn(4, *small_inputs(model).shape[1:], seed=seed), generator=torch.Generator().manual_seed(0))
    return model.eval()


def stepped(model: SResNet, inputs: Tensor) -> list[Tensor]:
    """Logits after each step; images are the same at each."""
    network = StepNetwork(model)
    state, logits = network.start(len(inputs)), []
    for t in range(model.config.time_steps):
        one, state = network(inputs[:, t] if model.frames else inputs, torch.tensor([t]), state)
        logits.append(one)
    return logits


@pytest.mark.parametrize("parts", EVERY_PART, ids=str)
def test_every_part(parts: dict[str, Any]) -> None:
    model = known(**parts)
    if model.config.encoding == "poisson":
        with pytest.raises(ValueError, match="poisson"):
            WholeWindow(model)
        return
    inputs = small_inputs(model)
    with torch.no_grad():
        expected, whole = model(inputs), WholeWindow(model)(inputs)
    torch.testing.assert_close(whole, expected, rtol=1e-10, atol=1e-10)
    if model.config.encoding == "direct":
        with torch.no_grad():
            logits = stepped(model, inputs)
        torch.testing.assert_close(logits[-1], expected, rtol=1e-10, atol=1e-10)


def test_each_step_decides_as_the_scores_of_the_network() -> None:
    """The running voltage is divided by T, so the order of the classes is that of the accumulated one."""
    model = known()
    inputs = small_inputs(model)
    voltage = model.observe(inputs).voltage
    with torch.no_grad():
        logits = torch.stack(stepped(model, inputs), 1)
    torch.testing.assert_close(logits * model.config.time_steps, voltage, rtol=1e-10, atol=1e-10)


def test_the_caller_keeps_the_state() -> None:
    """A step changes nothing in the network: the same state gives the same result again."""
    network = StepNetwork(known())
    inputs, step = drawn(4, 3, 8, 8), torch.tensor([0])
    first, second = network(inputs, step, network.start(4)), network(inputs, step, network.start(4))
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(one, other) for one, other in zip(first[1], second[1], strict=True))
    assert any(value.abs().sum() for value in first[1])


def test_the_network_goes_on_training() -> None:
    model = known().train()
    WholeWindow(model)
    assert all(part.training for part in model.modules())


def test_another_number_of_frames_is_refused() -> None:
    model = known(frames=True)
    with pytest.raises(ValueError, match="6 frames per sample, but the network has 3 time steps"):
        WholeWindow(model)(drawn(1, 6, 2, 8, 8))


def test_it_runs_on_the_device_of_its_inputs() -> None:
    model = known().to("meta")
    assert WholeWindow(model)(small_inputs(known()).to("meta")).shape == (4, 3)


def test_bfloat16_is_refused() -> None:
    model = SResNet(replace(NETWORK, precision="bfloat16"), input_shape=(3, 8, 8), classes=3, frames=False)
    with pytest.raises(ValueError, match="bfloat16"):
        StepNetwork(model)


def test_a_sample_of_all_combinations() -> None:
    seen = 0
    for choice in draws():
        parts = {name: value for name, value in choice.items() if name not in ("loss", "precision")}
        try:
            model = known(**parts)
            whole = WholeWindow(model)
        except ValueError:
            continue
        inputs = small_inputs(model)
        with torch.no_grad():
            torch.testing.assert_close(whole(inputs), model(inputs), rtol=1e-9, atol=1e-9)
        seen += 1
    assert seen > 30
