"""The benchmark compares two forms of one computation: logits, gradients and statistics agree to 1e-9 in float64."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.step_by_step import StepByStep, stepped_names
from models.sresnet import SResNet
from tests.models.small import small_inputs, small_network


def network(**parts: object) -> SResNet:
    """A network whose gains and biases differ from step to step."""
    model = small_network(blocks=2, **parts)
    generator = torch.Generator().manual_seed(7)
    for name, value in model.named_parameters():
        if ".norm." in name:
            value.data += torch.rand(value.shape, generator=generator)
    return model


def gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    logits = model.train()(inputs)
    cross_entropy(logits, labels).backward()
    return logits, {name: value.grad for name, value in model.named_parameters()}


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-9, atol=1e-9, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("frames", [False, True])
def test_the_same_computation(frames: bool) -> None:
    model = network(frames=frames)
    stepped = StepByStep(model)
    inputs, labels = small_inputs(model), torch.tensor([0, 1, 2, 0])
    logits, grads = gradients(model, inputs, labels)
    stepped_logits, stepped_grads = gradients(stepped, inputs, labels)
    torch.testing.assert_close(stepped_logits, logits, rtol=1e-9, atol=1e-9)
    assert_close(stepped_names(grads), stepped_grads)
    assert all(value.count_nonzero() > 0 for value in stepped_grads.values())
    state = {name: value for name, value in stepped.state_dict().items() if "num_batches" not in name}
    assert_close(stepped_names(model.state_dict()), state)


def test_a_second_batch_starts_at_membrane_zero() -> None:
    model = network()
    stepped = StepByStep(model).eval()
    inputs = small_inputs(model)
    assert torch.equal(stepped(inputs), stepped(inputs))
    torch.testing.assert_close(stepped(inputs), model.eval()(inputs), rtol=1e-9, atol=1e-9)


def test_weights_are_copied() -> None:
    model = network()
    stepped = StepByStep(model)
    kept = stepped.stem.conv.weight.clone()
    model.stem.conv.weight.data.zero_()
    assert torch.equal(stepped.stem.conv.weight, kept)


@pytest.mark.parametrize("part", [{"normalization": "bn"}, {"readout": "boosting"}, {"encoding": "poisson"}])
def test_other_parts_are_an_error(part: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="step by step"):
        StepByStep(small_network(**part))
