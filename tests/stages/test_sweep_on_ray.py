"""A real sweep of two tiny trainings, in a copy of the repository; the long test uses one Ray cluster."""

import io
import json
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks.sweep import copy_repository
from pipeline.ground.files import sha256
from pipeline.ground.paths import PROFILES
from pipeline.ground.yaml_file import read_yaml
from tests.stages.made import run


def two_runs(workers: int | str) -> str:
    """The profile quick with one small network for the digits and two seeds."""
    yaml = YAML(typ="safe")
    content = yaml.load((PROFILES / "quick.yaml").read_text(encoding="utf-8"))
    for section in ("datasets", "experiments"):
        del content[section]["digits-dvs"]
    content["experiments"]["digits"]["model"] |= {"width": 2, "time_steps": 2}
    content["experiments"]["digits"]["training"] |= {"epochs": 1, "batch_size": 100}
    content["cluster"]["workers"] = workers
    content["runs"] = {f"digits-{seed}": {"experiment": "digits", "dataset": "digits", "seed": seed} for seed in (0, 1)}
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


@pytest.mark.parametrize("workers", ["auto", pytest.param(2, marks=pytest.mark.long)])
def test_dvc_finds_nothing_to_do_after_two_trainings_side_by_side(tmp_path: Path, workers: int | str) -> None:
    """Each in its own process, or with two workers of one Ray that both share."""
    copy_repository(tmp_path, two_runs(workers))
    swept = run(tmp_path, sys.executable, "-m", "pipeline.cli.command_line", "sweep")
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "2 of 2 run(s) to do" in swept.stdout
    lock = read_yaml(tmp_path / "dvc.lock")
    runs = [f"{stage}@digits-{seed}" for stage in ("train", "evaluate") for seed in (0, 1)]
    assert lock["stages"].keys() == {"download@digits", "preprocess@digits", *runs, "agreement", "report"}
    for seed in (0, 1):
        (measured,) = tmp_path.glob(f"runs/digits-{seed}-*/metrics.jsonl")
        last = json.loads(measured.read_text(encoding="utf-8").splitlines()[-1])
        assert (last["epoch"], last["step"]) == (1, 15)  # 1,442 samples in batches of 100
        assert last["samples_per_second"] > 0
        record = json.loads((tmp_path / "results" / "digits" / f"{seed}.json").read_text(encoding="utf-8"))
        assert record["digests"]["model"] == sha256(tmp_path / f"artifacts/digits/{seed}/model.safetensors")
    (tmp_path / "dvc.lock").unlink()
    assert run(tmp_path, "dvc", "commit", "--force").returncode == 0
    assert read_yaml(tmp_path / "dvc.lock") == lock
