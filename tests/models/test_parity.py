"""Our network computes what the authors' code computes: three training steps and an evaluation, to 1e-9 in float64."""

import pytest
import torch

from models.kernels.choice import implementation
from pipeline.authors.checkpoint import from_authors, without_doubles
from pipeline.authors.recorded import NETWORKS, recorded_network
from pipeline.authors.replay import by_name, deviation, frames_deviation, network_deviations
from pipeline.ground.paths import ROOT
from tests.models.small import PASSES

GOLDEN = ROOT / "paper" / "golden"


@pytest.mark.parametrize("name", NETWORKS)
def test_shape_is_inferred(name: str) -> None:
    file = recorded_network(GOLDEN, name)
    model = from_authors(file.state_dict("init"), leak=file.leak, boosting=file.boosting)
    inferred = (model.config.blocks, model.config.width, model.config.time_steps, model.classes, model.frames)
    expected = [int(file.settings[key]) for key in ("n", "filters", "num_steps", "num_classes")]
    assert inferred == (*expected, file.settings["arch"] == "sresnet_nm")
    size = int(file.settings["img_size"])
    assert model.input_shape == (2 if model.frames else 3, size, size)


@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_each_implementation_gives_their_logits_gradients_and_training(name: str, passes: str) -> None:
    with implementation(passes):
        found = network_deviations(recorded_network(GOLDEN, name))
    assert found.keys() == {"logits", "gradients", "training"}
    assert max(found.values()) <= 1e-9


def test_training_moved_what_is_compared() -> None:
    """If the steps changed nothing, the recorded numbers would fit a network that does not train."""
    file = recorded_network(GOLDEN, "sresnet")
    init, final = (without_doubles(file.state_dict(part)) for part in ("init", "final"))
    for part in ("conv_list.0.weight", "bntt_list.2.1.bias", "bntt_list.2.1.running_mean", "fc.weight"):
        assert (init[part] - final[part]).abs().max() > 1e-4


def test_a_deviation_is_relative_to_large_numbers_and_nothing_passes_unseen() -> None:
    one = torch.tensor([1.0, 99.0], dtype=torch.float64)
    assert deviation(one, one + torch.tensor([0.0, 1.0])) == pytest.approx(1 / 101)
    for wrong in (one.float(), one[:1], torch.tensor([1.0, torch.nan], dtype=torch.float64)):
        assert deviation(wrong, one) == torch.inf


def test_a_tensor_of_theirs_without_one_of_ours_cannot_be_compared() -> None:
    file = recorded_network(GOLDEN, "sresnet")
    model = from_authors(file.state_dict("init"), leak=file.leak, boosting=file.boosting)
    ours = {name: value for name, value in model.state_dict().items() if name != "stem.conv.weight"}
    assert max(by_name(model, ours, file.state_dict("final"))) == torch.inf


def test_frames_are_those_of_spikingjelly() -> None:
    assert frames_deviation(GOLDEN) == 0
