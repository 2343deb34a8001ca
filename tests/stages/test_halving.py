"""A real `sresnet sweep --halving` of three tiny experiments, in a copy of the repository."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.sweep import copy_repository, parameters
from pipeline.ground.files import sha256
from pipeline.ground.yaml_file import read_yaml
from tests.stages.made import run

SRESNET = (sys.executable, "-m", "pipeline.cli.command_line")
RATES = {"slow": 0.001, "good": 0.1, "wild": 300.0}
"""Learning rates. The last one diverges in its first epoch."""


@pytest.mark.long
def test_what_is_stopped_leaves_no_result_and_can_be_finished(tmp_path: Path) -> None:
    """One diverges. The rule has short tests in tests/cli/test_halving.py, the exact stop in tests/train."""
    text = parameters(4, RATES, (0,), 20).replace("width: 8", "width: 2").replace("batch_size: 20", "batch_size: 100")
    copy_repository(tmp_path / "halved", text)
    folder = tmp_path / "halved"
    assert run(folder, "dvc", "repro", "preprocess@digits").returncode == 0
    shutil.copytree(folder, tmp_path / "plain")
    halved = run(folder, *SRESNET, "sweep", "--halving")
    said = halved.stdout + halved.stderr
    assert halved.returncode == 1, said
    assert "\n  wild-0: the loss is nan at epoch 1, step " in halved.stderr
    best = re.search(r"^next: dvc repro evaluate@(good|slow)-0 ", said, re.MULTILINE)
    assert best is not None, said
    stopped = "slow" if best[1] == "good" else "good"  # which of them depends on the processor: both learn little
    assert "6 of 12 epochs were not trained" in said, said
    for name in ("artifacts", "records/train@good-0.json", "results/good", "results/slow", "results/wild"):
        assert not (folder / name).exists(), name
    assert not [stage for stage in read_yaml(folder / "dvc.lock")["stages"] if stage.startswith(("train", "evaluate"))]
    status = run(folder, *SRESNET).stdout
    assert f"{stopped}-0 was stopped after epoch 2 of 4: no result, resumes there" in status
    assert f"{best[1]}-0 was trained to the end already" in status

    for place in (folder, tmp_path / "plain"):
        for name in ("good", "slow"):
            assert run(place, "dvc", "repro", f"train@{name}-0").returncode == 0
    for name in ("good", "slow"):
        model = f"artifacts/{name}/0/model.safetensors"
        assert sha256(folder / model) == sha256(tmp_path / "plain" / model), name
