"""Checks cluster/slurm.sh with stand-ins of the commands of Slurm and Ray that it calls."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.ground.paths import ROOT

SCRIPT = ROOT / "cluster" / "slurm.sh"
STANDINS = {
    "scontrol": 'echo "scontrol $*" >> said; [ "$1" = requeue ] || printf "node7\\nnode8\\n"',
    "srun": 'echo "srun $*" >> said; echo $PPID > script; shift; exec "$@"',
    "sresnet": 'echo "sresnet $*" >> said',
}
RUNS = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
"""What `ray symmetric-run` does on the head."""


def submitted(folder: Path, *, ray: str, dvc: str) -> "subprocess.CompletedProcess[str]":
    """The end of the script in a folder, as a job of two nodes whose commands do this."""
    for name, code in {**STANDINS, "ray": f'[ "$1" != symmetric-run ] || {{ {ray}; }}', "dvc": dvc}.items():
        (folder / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    job = {"SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_ID": "5", "SLURM_JOB_NODELIST": "node[7-8]"}
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_NUM_NODES": "2", **job}
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_pipeline_runs_on_the_first_node_when_all_are_there(tmp_path: Path) -> None:
    ended = submitted(tmp_path, ray=RUNS, dvc='echo "dvc $*" >> said')
    assert (ended.returncode, ended.stderr) == (0, "")
    _, started, *ran = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    assert "ray symmetric-run --address node7:6379 --min-nodes 2 -- sh -c" in started
    assert ran == ["sresnet check", "dvc --wait-for-lock repro"]
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("ray", "dvc"),
    [("exit 0", "exit 0"), ("exit 1", "exit 0"), (RUNS, "exit 3")],
    ids=["Ray did not start, which symmetric-run does not say", "nodes are missing", "the pipeline failed"],
)
def test_a_job_whose_pipeline_did_not_end_fails(tmp_path: Path, ray: str, dvc: str) -> None:
    ended = submitted(tmp_path, ray=ray, dvc=dvc)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        1,
        "error: the pipeline did not end: see above, and runs/*/log.txt",
    )


def test_a_job_goes_back_into_the_queue_when_its_time_is_nearly_up(tmp_path: Path) -> None:
    """Slurm sends USR1 to the script alone; the step that runs goes on until Slurm ends it."""
    ended = submitted(tmp_path, ray=RUNS, dvc='kill -USR1 "$(cat script)"; sleep 0.2; echo "dvc $*" >> said')
    assert (ended.returncode, ended.stdout) == (0, "the time is nearly up: back into the queue\n")
    assert (tmp_path / "said").read_text(encoding="utf-8").splitlines()[-2:] == [
        "scontrol requeue 5",
        "dvc --wait-for-lock repro",
    ]
