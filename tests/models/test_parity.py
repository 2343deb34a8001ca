"""Our network computes what the authors' code computes: three training steps and an evaluation, to 1e-9 in float64."""

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.sresnet import SResNet
from pipeline.authors.checkpoint import from_authors, parameter_names, without_doubles
from tests.models.recorded import recorded

NETWORKS = ["sresnet", "sresnet_boosting", "sresnet_n2_100classes", "sresnet_nm"]
STEPS = range(3)


@dataclass(frozen=True)
class Replayed:
    """What our network computes on a golden file's inputs."""

    model: SResNet
    gradients: dict[str, Tensor]
    logits: list[Tensor]
    losses: list[Tensor]


@cache
def replayed(name: str) -> Replayed:
    file = recorded(name)
    model = from_authors(file.state_dict("init"), leak=file.leak, boosting=file.boosting).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0268, momentum=0.9, weight_decay=1e-4)
    result = Replayed(model, {}, [], [])
    for step in STEPS:
        optimizer.zero_grad()
        logits = model(file.input(f"step{step}"))
        loss = cross_entropy(logits, file.values[f"step{step}/label"])
        loss.backward()
        if step == 0:
            result.gradients.update({key: value.grad.clone() for key, value in model.named_parameters()})
        optimizer.step()
        result.logits.append(logits.detach())
        result.losses.append(loss.detach())
    return result


def assert_close(ours: Tensor, theirs: Tensor, what: str) -> None:
    assert ours.dtype == theirs.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9, msg=lambda text: f"{what}: {text}")


def assert_all_close(model: SResNet, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Compares by name; every tensor of theirs must have been compared."""
    compared: set[str] = set()
    for name, names in parameter_names(model).items():
        if name in ours:
            stacked = torch.stack([theirs[key] for key in names])
            assert_close(ours[name], stacked if "norm" in name else stacked[0], name)
            compared.update(names)
    assert compared == {key for key in theirs if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name", NETWORKS)
def test_shape_is_inferred(name: str) -> None:
    model, settings = replayed(name).model, recorded(name).settings
    inferred = (model.config.blocks, model.config.width, model.config.time_steps, model.classes, model.frames)
    expected = [int(settings[key]) for key in ("n", "filters", "num_steps", "num_classes")]
    assert inferred == (*expected, settings["arch"] == "sresnet_nm")
    size = int(settings["img_size"])
    assert model.input_shape == (2 if model.frames else 3, size, size)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_loss_of_each_step(name: str) -> None:
    for step in STEPS:
        assert_close(replayed(name).logits[step], recorded(name).values[f"step{step}/logits"], f"logits {step}")
        theirs = recorded(name).values[f"step{step}/loss"]
        assert_close(replayed(name).losses[step], theirs.reshape(()), f"loss {step}")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_gradient_of_the_first_step(name: str) -> None:
    assert_all_close(
        replayed(name).model, replayed(name).gradients, without_doubles(recorded(name).state_dict("step0/grad"))
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_state_after_three_steps(name: str) -> None:
    """Weights and running statistics."""
    ours = {key: value.detach() for key, value in replayed(name).model.state_dict().items()}
    assert_all_close(replayed(name).model, ours, without_doubles(recorded(name).state_dict("final")))


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation(name: str) -> None:
    """Of the network that we trained, and of the one that they trained."""
    file = recorded(name)
    for network in (
        replayed(name).model,
        from_authors(file.state_dict("final"), leak=file.leak, boosting=file.boosting),
    ):
        with torch.no_grad():
            logits = network.eval()(file.input("eval"))
        assert_close(logits, file.values["eval/logits"], "eval logits")


def test_training_moved_what_is_compared() -> None:
    """The golden values would not tell a network that does not train from one that does, if steps changed nothing."""
    file = recorded("sresnet")
    init, final = (without_doubles(file.state_dict(part)) for part in ("init", "final"))
    for part in ("conv_list.0.weight", "bntt_list.2.1.bias", "bntt_list.2.1.running_mean", "fc.weight"):
        assert (init[part] - final[part]).abs().max() > 1e-4
