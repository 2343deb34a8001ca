"""A plan is the measured time of a step times the number of steps in params.yaml."""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from models.config import NetworkConfig
from pipeline.cli import plan, preprocessed
from pipeline.cli.plan import plan_table, planned
from pipeline.cli.split_sizes import SplitSize, split_size, unknown_sizes
from pipeline.cli.step_time import step_seconds
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.params import DatasetParams
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.params import Params, load_params
from tests.train.tiny import NETWORK, TRAINING, write_split

DIGITS = SplitSize(1_442, (1, 32, 32), 10)


def made(folder: Path, name: str, dataset: DatasetParams, **changed: object) -> None:
    """A training split of 30 samples, and a dvc.lock that says with which parameters it was made."""
    write_split(folder / name, "train", "frames", 30)
    stated = dataset.model_dump(mode="json", exclude_unset=True)
    stated["preprocess"] |= changed
    stages = {
        f"{stage}@{name}": {"params": {"params.yaml": {f"datasets.{name}.{stage}": stated[stage]}}}
        for stage in ("download", "preprocess")
    }
    (folder / "dvc.lock").write_text(json.dumps({"stages": stages}), encoding="utf-8")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Profile quick on a machine that has two cores and no data."""
    monkeypatch.setattr(preprocessed, "arrow", lambda name: tmp_path / name)
    monkeypatch.setattr(preprocessed, "LOCK", tmp_path / "dvc.lock")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return load_params(paths.PROFILES / "quick.yaml")


def test_by_hand(params: Params) -> None:
    """1,442 samples in batches of 20 are 73 steps, 6 epochs 438; 480 recordings 24, 12 epochs 288. Two workers have a
    shard each, so a step of 0.4 s in one process takes 0.2 s."""
    measured: list[SplitSize] = []

    def measure(network: NetworkConfig, training: TrainingConfig, data: SplitSize) -> float:
        measured.append(data)
        return 0.4

    rows = plan.plan(params, measure)
    assert measured == [DIGITS, SplitSize(480, (8, 2, 64, 64), 10)]
    assert [(row.experiment, row.runs, row.steps, row.step_seconds) for row in rows] == [
        ("digits", 1, 438, 0.2),
        ("digits-dvs", 1, 288, 0.2),
    ]
    text = plan_table(rows).splitlines()
    assert text[1].split() == ["digits", "1", "438", "200", "1:28", "1:28"]
    assert text[3].split() == ["all", "2", "2:25"]
    assert "Not in it: fetching" in " ".join(text)
    assert all(len(line) <= 80 for line in text)


def test_one_measurement_for_what_takes_the_same(params: Params) -> None:
    """Seeds, learning rates and epochs make no step longer."""
    first = params.experiments["digits"]
    other = first.model_copy(update={"training": replace(first.training, epochs=12, learning_rate=0.1)})
    runs = params.runs | {"b-0": params.runs["digits-0"].model_copy(update={"experiment": "b"})}
    twice = params.model_copy(update={"experiments": {"digits": first, "b": other}, "runs": runs})
    calls: list[int] = []
    rows = plan.plan(twice, lambda *_: calls.append(1) or 0.1)  # type: ignore[func-returns-value]
    assert len(calls) == 1
    assert rows[1].steps == 2 * rows[0].steps


def test_networks_without_fused_kernels_are_named_in_one_line(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = {
        name: experiment.model_copy(update={"model": replace(experiment.model, reset="zero")})
        for name, experiment in params.experiments.items()
    }

    def measure(network: NetworkConfig, *_: object) -> float:
        warnings.warn("the fused kernels know neither reset zero nor ...", stacklevel=1)
        return 0.1

    plan.plan(params.model_copy(update={"experiments": slow}), measure)
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "WARNING: without fused kernels, several times slower: digits, digits-dvs"
    assert [line for line in said if not line.startswith("measuring steps: ")] == said[-1:]


def test_held_out_and_dropped_samples_are_no_steps(params: Params) -> None:
    """1,442 less 10 % (144) are 1,298: 64 full batches of 20 and a rest."""
    experiment = params.experiments["digits"]
    for drop_last, steps in ((True, 64), (False, 65)):
        training = replace(experiment.training, epochs=1, validation_percent=10, drop_last=drop_last)
        changed = experiment.model_copy(update={"training": training})
        assert planned("digits", changed, 1, DIGITS, 1.0, params.cluster).steps == steps


def test_workers_and_shards(params: Params) -> None:
    """Three shards on two workers take as long as two of them in turn."""
    auto, three = params.cluster, replace(TRAINING, micro_batches=3)
    experiment = params.experiments["digits"].model_copy(update={"training": three})
    one = auto.model_copy(update={"workers": 1})
    for cluster, workers, seconds in ((auto, 2, 0.2), (one, 1, 0.3)):
        row = planned("digits", experiment, 1, DIGITS, 0.3, cluster)
        assert (row.workers, row.step_seconds) == (workers, pytest.approx(seconds))


def test_preprocessed_data_say_what_they_are(params: Params, tmp_path: Path) -> None:
    made(tmp_path, "digits", params.datasets["digits"])
    assert split_size("digits", params.datasets["digits"]) == SplitSize(30, (2, 2, 8, 8), 3)


def test_data_that_were_made_with_other_parameters_say_nothing(params: Params, tmp_path: Path) -> None:
    made(tmp_path, "digits", params.datasets["digits"], shards=7)
    assert split_size("digits", params.datasets["digits"]) == SplitSize(1_442, (1, 32, 32), 10)


def test_data_of_unknown_shape_are_named(params: Params, tmp_path: Path) -> None:
    """Preprocessed, or published and not altered, they are known; and data of no run do not matter."""
    dataset = params.datasets["digits"]
    own = dataset.model_copy(update={"download": dataset.download.model_copy(update={"catalog": "recordings"})})
    altered = dataset.model_copy(update={"download": dataset.download.model_copy(update={"altered": True})})
    with pytest.raises(InputError, match=r"datasets\.mine: .*`dvc repro preprocess@mine` first"):
        split_size("mine", own)
    unused = params.model_copy(update={"datasets": params.datasets | {"unused": own}})
    assert unknown_sizes(unused) == []
    mine = params.model_copy(update={"datasets": {"digits": altered, "digits-dvs": own}})
    assert unknown_sizes(mine) == ["digits", "digits-dvs"]
    made(tmp_path, "digits", altered)
    assert unknown_sizes(mine) == ["digits-dvs"]


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 2, 8, 8)])
def test_a_step_is_measured(shape: tuple[int, ...]) -> None:
    """A real one, also where a training would hold samples out."""
    training = replace(TRAINING, selection="best-validation", validation_percent=10)
    assert 0 < step_seconds(NETWORK, training, SplitSize(30, shape, 3), "nothing") < 60
