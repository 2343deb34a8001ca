"""Fine-tuning takes over the right weights, and the training starts from them."""

from pathlib import Path

import pytest
import torch

from benchmarks.fine_tuning import compare, job_of, paired_difference, started
from benchmarks.trained import trained
from pipeline.ground import paths
from pipeline.protocol.params import Params, load_params
from pipeline.train.checkpoints import newest_state
from tests.train.tiny import NETWORK, TRAINING, write_split


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The study with tiny networks, and tiny recordings where its own would lie."""
    monkeypatch.setattr(paths, "arrow", lambda name: tmp_path / name)
    write_split(tmp_path / "digits-dvs", "train", "frames", 24)
    write_split(tmp_path / "digits-dvs", "test", "frames", 9)
    study = load_params(paths.PROFILES / "study.yaml")
    tiny = {"model": NETWORK, "training": TRAINING}
    experiments = {name: one.model_copy(update=tiny) for name, one in study.experiments.items()}
    return study.model_copy(update={"experiments": experiments})


def test_all_but_the_first_convolution_and_the_last_layer_is_taken(profile: Params, tmp_path: Path) -> None:
    job = job_of(profile, "study-digits-dvs-base", 0, tmp_path / "runs")
    drawn = job.build()
    drawn.reset_parameters(torch.Generator().manual_seed(0))
    taken = {name: torch.full_like(value, 3.0) for name, value in drawn.state_dict().items()}
    state = newest_state(started(job, taken).checkpoint())
    assert state is not None
    assert (state.epoch, state.step, state.momentum) == (0, 0, {})
    own = {name for name, value in state.weights.items() if not bool((value == 3.0).all())}
    assert own == {"stem.conv.weight", "readout.linear.weight"}
    assert all(torch.equal(state.weights[name], drawn.state_dict()[name]) for name in own)


def test_a_training_that_takes_its_own_drawn_weights_is_the_same(profile: Params, tmp_path: Path) -> None:
    """So the two columns differ by the weights that are taken over, and by nothing else."""
    job = job_of(profile, "study-digits-dvs-base", 0, tmp_path / "runs", epochs=1)
    drawn = job.build()
    drawn.reset_parameters(torch.Generator().manual_seed(0))
    row = compare(profile, 1, [drawn.state_dict()], tmp_path / "both")
    assert row["drawn"] == row["fine_tuned"]
    assert row["difference"]["low"] is None
    other = job.build()
    other.reset_parameters(torch.Generator().manual_seed(1))
    from_other = started(job_of(profile, "study-digits-dvs-base", 0, tmp_path / "other", 1), other.state_dict())
    differ = zip(trained(from_other).parameters(), trained(job).parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in differ)


def test_the_interval_of_paired_differences_is_students() -> None:
    """By hand: 1, 2, 3 have mean 2 and standard error 1 / sqrt(3); t(df 2, 97.5 %) is 4.3027."""
    found = paired_difference([11.0, 22.0, 33.0], [10.0, 20.0, 30.0])
    assert found["mean"] == 2.0
    assert found["high"] - 2.0 == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert 2.0 - found["low"] == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
