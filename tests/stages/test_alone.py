"""A training without Ray leaves the state that the stage `train` looks for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.ground.paths import ROOT
from pipeline.train.export import finished
from pipeline.train.jobs import train_in_process
from tests.train.tiny import TRAINING, tiny_job


def test_the_state_lies_where_the_stage_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job, threads = tiny_job(tmp_path, TRAINING), torch.get_num_threads()
    note, peak = train_in_process(torch.device("cpu"))(job)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    assert (note, peak) == ("trained in one process, without Ray", 0)
    assert finished(job) is not None
    assert "epoch 2/2  step 3/3" in capsys.readouterr().out
    assert "epoch 2/2  step 3/3" in job.log().read_text(encoding="utf-8")
    assert json.loads(job.log().with_name("metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])["epoch"] == 2
    assert len(job.platforms().read_text(encoding="utf-8").splitlines()) == 1


def test_it_needs_no_ray() -> None:
    hidden = "import sys; sys.modules['ray'] = None; import stages.alone"
    assert subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, check=False).returncode == 0
