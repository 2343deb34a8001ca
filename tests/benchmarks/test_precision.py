"""The benchmark of precision pairs its trainings and writes what it measured."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import precision
from benchmarks.precision import drawn, images_of, main, paired_interval, spread
from benchmarks.trained import accuracy_of, trained
from pipeline.data.store import Store
from pipeline.ground.errors import InputError
from pipeline.train import loop
from pipeline.train.job import Job
from tests.train.tiny import NETWORK, TRAINING, tiny_job


@pytest.fixture(autouse=True)
def restore_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(loop, "keep_memory", lambda: None)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def test_interval() -> None:
    """Mean 2, standard deviation 1, Student's t with 2 degrees of freedom 4.3027: 2 -+ 4.3027 / sqrt(3)."""
    assert paired_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-5)
    assert paired_interval([0.5, 0.5]) == (0.5, 0.5)


def test_an_accuracy_is_of_the_trained_network(tmp_path: Path) -> None:
    """13 test samples; each precision is a training of its own."""
    job = tiny_job(tmp_path, replace(TRAINING, epochs=1))
    percent, networks = {}, {}
    for name in precision.PRECISIONS:
        own = replace(job, name=name, network=replace(NETWORK, precision=name))
        percent[name] = accuracy_of(own)
        networks[name] = trained(own)
    assert all(round(value * 13 / 100, 6).is_integer() for value in percent.values())
    single, half = (network.stem.conv.weight for network in networks.values())
    assert not torch.equal(single, half)
    assert torch.allclose(single, half, atol=0.1)


def test_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With accuracies that are set: bfloat16 is 1 point worse with seed 0, 3 with seed 1."""
    jobs: list[Job] = []

    def set_accuracy(job: Job) -> float:
        jobs.append(job)
        return 90.0 - (1 + 2 * job.seed if job.network.precision == "bfloat16" else 0)

    monkeypatch.setattr(precision, "accuracy_of", set_accuracy)
    monkeypatch.setattr(precision, "trained", lambda job: drawn(job.network, Store(job.data, "test")))
    monkeypatch.setattr(precision, "DEEP", NETWORK)
    output = tmp_path / "bench.json"
    main(["--seeds=2", "--epochs=4", "--batch=2", "--threads=1", f"--output={output}"])
    result = json.loads(output.read_text())
    accuracy, shown = result["accuracy"], capsys.readouterr().out
    assert [(job.seed, job.network.precision) for job in jobs] == [
        (0, "float32"), (0, "bfloat16"), (1, "float32"), (1, "bfloat16")
    ]  # fmt: skip
    assert {job.training.epochs for job in jobs} == {accuracy["epochs"]} == {4}
    assert accuracy["percent"] == {"float32": [90.0, 90.0], "bfloat16": [89.0, 87.0]}
    assert accuracy["difference"]["mean"] == -2.0
    assert accuracy["difference"]["low"] == pytest.approx(-2 - 12.7062, abs=1e-3)
    assert "mean difference -2.00 points, 95 % interval -14.71 to +10.71, n = 2, 355 test samples" in shown
    assert result["threads"] == 1
    quick, small, deep = result["flips"].items()
    assert (quick[0], small[0]) == ("Digits, n = 1, trained", "Digits, n = 1, 8 filters, T = 4, drawn")
    for name, flips in (quick, small, deep):
        assert name in shown
        assert flips["batch"] == 2
        assert 0 <= flips["rate_alone"] <= flips["rate_free"] < 1
        assert len(flips["flips_by_step"]["free"]) == flips["network"]["time_steps"]
        assert len(flips["layers"]) == 7
        assert min(layer["alone"] for layer in flips["layers"].values()) <= flips["rate_alone"]


def test_samples_are_from_the_whole_split(tmp_path: Path) -> None:
    store = Store(tiny_job(tmp_path, TRAINING).data, "test")
    assert np.array_equal(spread(store, 3), store.read(np.array([0, 6, 12])))
    assert len(spread(store, 99)) == 13


def test_event_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Tiny holds frames; expected images"):
        images_of(tiny_job(tmp_path, TRAINING, kind="frames").data)
    with pytest.raises(InputError, match="dvc repro preprocess"):
        images_of(tmp_path / "missing")


@pytest.mark.parametrize(
    ("wrong", "named"), [("--seeds=1", "an interval needs at least 2"), ("--batch=0", "at least 1")]
)
def test_a_wrong_setting_is_named(wrong: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([wrong])
    assert named in capsys.readouterr().err
