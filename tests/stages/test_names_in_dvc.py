"""Names in the real DVC: names of params.yaml never reach a shell, and files with hostile names are tracked."""

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.sweep import copy_repository
from pipeline.ground.names import NAME_RULE, shown
from pipeline.ground.paths import PROFILES, ROOT
from tests.download.test_data_names import NAMES, recordings
from tests.preprocess.made import contents
from tests.stages.made import run

HOSTILE = "x;touch pwn;$(touch pwn)`touch pwn`'\"&touch pwn\ntouch pwn"


def quick() -> Any:
    return YAML(typ="safe").load((PROFILES / "quick.yaml").read_text(encoding="utf-8"))


def write_params(folder: Path, content: dict[str, Any]) -> None:
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


def test_no_command_of_the_pipeline_holds_a_name() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    commands = {name: stage.get("do", stage)["cmd"] for name, stage in stages.items()}
    assert len(commands) == 6
    assert not [command for command in commands.values() if "${" in command]


def test_a_name_is_no_shell_code_and_what_is_wrong_in_params_is_one_error_of_each_stage(tmp_path: Path) -> None:
    copy_repository(tmp_path / "repository", "")
    folder, content = tmp_path / "repository", quick()
    content["datasets"] = {HOSTILE: content["datasets"]["digits"]}
    content["experiments"] = {HOSTILE: content["experiments"]["digits"] | {"dataset": HOSTILE}}
    content["experiments"][HOSTILE]["model"]["leak"] = "high"
    content["runs"] = {f"{HOSTILE}-0": {"experiment": HOSTILE, "dataset": HOSTILE, "seed": 0}}
    write_params(folder, content)
    trained = [f"artifacts/{HOSTILE}/0/{name}" for name in ("model.safetensors", "config.json", "history.csv")]
    for name in (f"data/raw/{HOSTILE}/x", f"data/arrow/{HOSTILE}/x", *trained):  # what the stages depend on
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    stages = ("evaluate", "train", "preprocess", "download")
    targets = [f"{stage}@{HOSTILE}" + ("-0" if stage in ("evaluate", "train") else "") for stage in stages]
    done = run(folder, "dvc", "repro", "--single-item", "--ignore-errors", *targets)
    for stage, target in zip(stages, targets, strict=True):
        assert f'> stages/python -m stages.{stage} "$DVC_STAGE"' in done.stdout
        assert f"error: {shown(target)}: {folder}/params.yaml" in done.stderr
    assert done.stderr.count(NAME_RULE) >= len(stages)
    assert done.stderr.count(", exited with 1 (ignored)") == len(stages)
    assert f"experiments.{shown(HOSTILE)}.model.leak: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("pwn*"))


def test_data_with_any_names_are_tracked_and_come_back(tmp_path: Path) -> None:
    copy_repository(tmp_path / "repository", "")
    folder, content = tmp_path / "repository", quick()
    recordings(tmp_path / "source", NAMES, each=1)
    source = {"catalog": "recordings", "source": str(tmp_path / "source")}
    preprocess = content["datasets"]["digits-dvs"]["preprocess"]
    write_params(folder, content | {"datasets": {"mine": {"download": source, "preprocess": preprocess}}})
    done = run(folder, "dvc", "repro", "download@mine")
    assert done.returncode == 0, done.stderr
    raw = folder / "data" / "raw" / "mine"
    before = contents(raw)
    assert len(before) == len(NAMES) + 1
    shutil.rmtree(raw)
    assert run(folder, "dvc", "checkout", "download@mine").returncode == 0
    assert contents(raw) == before
    assert "up to date" in run(folder, "dvc", "status", "download@mine").stdout
    assert not list(tmp_path.rglob("pwn*"))
