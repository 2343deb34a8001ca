"""Each implementation computes what the authors' code computed."""

import pytest
import torch

from models.kernels.choice import implementation
from pipeline.authors.checkpoint import without_doubles
from tests.models.recorded import recorded
from tests.models.small import PASSES
from tests.models.test_parity import NETWORKS, STEPS, Replayed, assert_all_close, assert_close, replayed


@pytest.fixture(scope="module", params=[(name, passes) for name in NETWORKS for passes in PASSES], ids="-".join)
def golden(request: pytest.FixtureRequest) -> tuple[str, Replayed]:
    """Name of a golden network and what an implementation computes on its inputs."""
    name, passes = request.param
    with implementation(passes):
        made = replayed.__wrapped__(name)
        with torch.no_grad():
            made.logits.append(made.model.eval()(recorded(name).input("eval")))
    return name, made


def test_golden_network(golden: tuple[str, Replayed]) -> None:
    """Logits and losses of three steps, gradients of the first, weights and statistics after them, evaluation."""
    name, made = golden
    file = recorded(name)
    for step in STEPS:
        assert_close(made.logits[step], file.values[f"step{step}/logits"], f"logits {step}")
        assert_close(made.losses[step], file.values[f"step{step}/loss"].reshape(()), f"loss {step}")
    assert_close(made.logits[-1], file.values["eval/logits"], "eval logits")
    assert_all_close(made.model, made.gradients, without_doubles(file.state_dict("step0/grad")))
    state = {key: value.detach() for key, value in made.model.state_dict().items()}
    assert_all_close(made.model, state, without_doubles(file.state_dict("final")))
