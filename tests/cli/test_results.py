"""The summary that `make repro` prints at its end."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.results import results_lines
from pipeline.ground.errors import InputError
from pipeline.ground.paths import RESULTS

LOCK = """schema: '2.0'
stages:
  train@digits-0:
    cmd: train
    outs:
    - {path: artifacts/digits/0/model.safetensors, md5: 0a}
    - {path: records/train@digits-0.json, md5: d41d8cd98f00b204e9800998ecf8427e}
"""


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A committed checkout whose report holds one run."""
    evidence = tmp_path / "report" / "evidence" / "results" / "digits"
    for folder in (evidence, tmp_path / "results" / "digits"):
        folder.mkdir(parents=True)
        shutil.copy(RESULTS / "digits" / "0.json", folder)
    records = tmp_path / "report" / "evidence" / "records"
    records.mkdir()
    for stage in ("train@digits-0", "report"):
        (records / f"{stage}.json").touch()
    verdicts = ("NOT RUN", "NOT RUN", "REPRODUCED", "BELOW")
    audit = {
        "profile": "quick",
        "results": [{"experiment": "digits", "seed": 0}],
        "claims": [{"verdict": verdict} for verdict in verdicts],
    }
    (tmp_path / "report" / "audit.json").write_text(json.dumps(audit), encoding="utf-8")
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    runs = "runs: {digits-0: {experiment: digits, seed: 0}}"
    (tmp_path / "params.yaml").write_text(f"{{profile: quick, datasets: {{}}, {runs}}}", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("/report/\n", encoding="utf-8")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "all")
    return tmp_path


def test_each_run_the_verdicts_the_digests_and_the_report(root: Path) -> None:
    record: dict[str, Any] = json.loads((RESULTS / "digits" / "0.json").read_text(encoding="utf-8"))
    run, claims, digests, report = results_lines(root)
    assert run.startswith(f"digits-0   {record['test']['top1_percent']:.2f} %  [")
    assert run.endswith("]  n = 355  Digits")
    assert claims == "claims: 1 BELOW, 1 REPRODUCED, 2 NOT RUN"
    assert digests == "digests: all 1 outputs have those of the committed dvc.lock"
    assert report == f"report: {root / 'report' / 'index.html'}"


@pytest.mark.parametrize(
    ("platforms", "why"),
    [(None, "parameters, code or data differ"), (["another"], "computed on another CPU model")],
)
def test_files_that_changed_have_a_reason_and_a_remedy(platforms: list[str] | None, why: str, root: Path) -> None:
    path = root / "report" / "evidence" / "results" / "digits" / "0.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | ({"platforms": platforms} if platforms else {})), encoding="utf-8")
    (root / "dvc.lock").write_text(LOCK.replace("0a", "0b"), encoding="utf-8")
    lines = results_lines(root)
    assert lines[2] == "digests: 1 of 1 outputs differ from the committed dvc.lock"
    assert lines[3:6] == [
        f"git: dvc.lock changed: {why}",
        "  to keep them:  git add params.yaml dvc.lock results && git commit",
        "  to go back:    git checkout HEAD params.yaml dvc.lock results && make repro",
    ]
    assert all(len(line) <= 80 for line in lines[3:6])


@pytest.fixture
def tried(root: Path) -> list[str]:
    """After a second seed, and an experiment with its own dataset: what the committed params.yaml does not make."""
    folders = ("artifacts/digits/0", "artifacts/digits/1", "artifacts/mine/0", "data/arrow/my data", "results/mine")
    for folder in (*folders, "records"):
        (root / folder).mkdir(parents=True)
    left = [
        "results/digits/1.json",
        "results/mine/0.json",
        "records/preprocess@my data.json",
        "records/train@mine-0.json",
    ]
    for name in (*left, "records/train@digits-0.json", "records/report.json"):
        (root / name).touch()
    (root / "dvc.lock").write_text(LOCK.replace("cmd: train", "cmd: other"), encoding="utf-8")
    return ["data/arrow/my data", "artifacts/digits/1", "artifacts/mine/0", left[0], "results/mine/", *left[2:]]


def test_the_way_back_names_what_is_of_other_parameters(root: Path, tried: list[str]) -> None:
    _, _, digests, changed, _, back, first, *left, _ = results_lines(root)
    assert digests == "digests: all 1 outputs have those of the committed dvc.lock"
    assert changed == "git: dvc.lock changed: the report's stage reads outputs of other parameters too"
    assert back.split(maxsplit=3)[3] == "git checkout HEAD params.yaml dvc.lock results && make repro"
    assert first.strip() == "first move or remove what is of other parameters:"
    assert [line.strip() for line in left] == tried


def test_the_way_back_is_to_the_committed_parameters(root: Path, tried: list[str]) -> None:
    with_mine = "{profile: quick, datasets: {my data: 0}, experiments: {digits: 0, mine: 0}}"
    (root / "params.yaml").write_text(with_mine, encoding="utf-8")
    lines = results_lines(root)
    assert "git: dvc.lock changed: parameters, code or data differ" in lines
    assert [line.strip() for line in lines[-1 - len(tried) : -1]] == tried


def test_of_many_leftovers_the_first_are_named(root: Path, tried: list[str]) -> None:
    for number in range(20):
        (root / "results" / f"{number}.md").touch()
    *_, last, more, _ = results_lines(root)
    assert last.strip() == "results/6.md"
    assert more.strip() == f"and {len(tried)} more"


def test_digests_of_other_runs_are_not_said_of_this_report(root: Path) -> None:
    """After `git checkout dvc.lock`, the report is still of the runs before it."""
    (root / "report" / "evidence" / "records" / "train@digits-0.json").write_text("{}", encoding="utf-8")
    assert results_lines(root)[2].startswith("digests not compared: dvc.lock is not of this report's runs")


def test_without_a_report_one_line_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"audit\.json: not found; `make repro` writes it"):
        results_lines(tmp_path)


def test_outside_of_git_nothing_is_compared(root: Path) -> None:
    shutil.rmtree(root / ".git")
    assert results_lines(root)[2] == "digests not compared: no committed dvc.lock to compare with"


def test_a_report_of_another_profile_says_so(root: Path) -> None:
    (root / "params.yaml").write_text("profile: paper\n", encoding="utf-8")
    assert results_lines(root)[0] == "These are of profile quick; params.yaml has paper: `make repro` runs it."


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("digits-0: {}, digits-1: {}", "1 run(s) of params.yaml are not in it"),
        ("digits-1: {}", "1 run(s) of params.yaml are not in it; 1 run(s) of it are not in params.yaml"),
    ],
)
def test_a_report_of_other_runs_says_so(root: Path, runs: str, said: str) -> None:
    (root / "params.yaml").write_text(f"runs: {{{runs}}}\n", encoding="utf-8")
    assert results_lines(root)[0] == f"This report is of other runs: {said}. `make repro` makes a new one."
