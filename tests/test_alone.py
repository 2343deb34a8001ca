"""A training without Ray leaves the state that the stage `train` looks for."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline import alone
from pipeline.errors import InputError
from pipeline.params import RunParams
from pipeline.paths import ROOT
from pipeline.train.export import finished
from tests.train.tiny import NETWORK, TRAINING, tiny_job


def test_the_state_lies_where_the_stage_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tiny_job(tmp_path, TRAINING)
    experiment = SimpleNamespace(model=NETWORK, training=TRAINING)
    run = RunParams(experiment="tiny", dataset="images", seed=job.seed)
    monkeypatch.setattr(alone, "load_run", lambda name: (run, experiment))
    monkeypatch.setattr(alone.paths, "arrow", lambda dataset: job.data)
    monkeypatch.setattr(alone, "runs_folder", lambda cluster: job.runs)
    threads = torch.get_num_threads()
    alone.train_alone(job.name, torch.device("cpu"))
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    assert finished(job) is not None
    assert "epoch 2/2  step 3/3" in capsys.readouterr().out
    assert "epoch 2/2  step 3/3" in job.log().read_text(encoding="utf-8")
    assert json.loads(job.log().with_name("metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])["epoch"] == 2
    alone.train_alone(job.name, torch.device("cpu"))
    assert "is finished" in capsys.readouterr().out
    assert len(job.platforms().read_text(encoding="utf-8").splitlines()) == 1


def test_an_unknown_run_is_one_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["alone", "nothing-0"])
    assert alone.main() == 1
    assert "runs.nothing-0 is missing" in capsys.readouterr().err
    with pytest.raises(InputError):
        alone.train_alone("nothing-0", torch.device("cpu"))


def test_it_needs_no_ray() -> None:
    hidden = "import sys; sys.modules['ray'] = None; import pipeline.alone"
    assert subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, check=False).returncode == 0
