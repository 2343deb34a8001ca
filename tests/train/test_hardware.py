"""A record states its precision if that is not the default. Without compiled kernels nothing is trained."""

import sys
from pathlib import Path

import pytest
import torch

from pipeline.evaluate.evaluate import Task, evaluate, evaluate_in_process
from pipeline.ground.errors import InputError
from pipeline.protocol.hardware import check_kernels, computed_by, describe
from pipeline.protocol.reduce import Alone
from pipeline.train.checkpoints import newest_state
from pipeline.train.export import export
from pipeline.train.jobs import train_on
from pipeline.train.loop import train
from tests.train.tiny import ONE, TRAINING, tiny_job

CPU = torch.device("cpu")


def test_on_a_cpu_records_say_what_they_always_said() -> None:
    assert computed_by(CPU, "float32") == computed_by(CPU, "bfloat16") == describe(CPU)
    assert computed_by(CPU, "tf32") == describe(CPU).replace(", torch", ", convolutions in float32, torch")


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", "float32"), ("tf32", "TF32"), ("bfloat16", "bfloat16")]
)
def test_on_a_gpu_the_precision_is_said(precision: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H100")
    found = computed_by(torch.device("cuda"), precision)
    assert found == f"H100, convolutions in {expected}, torch {torch.__version__}"


def test_without_compiled_kernels_nothing_is_trained_or_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of several workers could lack them, and the reference's sums have other bits."""
    check_kernels(CPU)
    trained, job = tiny_job(tmp_path / "trained", TRAINING), tiny_job(tmp_path / "job", TRAINING)
    train_on(ONE)(trained)
    export(trained, "tiny", "tiny", tmp_path / "network")
    task = Task(model=tmp_path / "network" / "model.safetensors", data=job.data, training=TRAINING, seed=0)
    monkeypatch.setitem(sys.modules, "models.kernels.cpu", None)
    refused = r"the kernels for cpu cannot be imported \(.*\); .*: install the packages of"
    with pytest.raises(InputError, match=refused):
        train(job, Alone(), CPU, lambda text: None)
    assert newest_state(job.checkpoint()) is None
    with pytest.raises(InputError, match=refused):
        evaluate(task, evaluate_in_process(CPU), "tiny")
