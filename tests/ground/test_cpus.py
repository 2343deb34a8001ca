"""The number of CPUs is what the process may use, also if a container limits CPU time."""

import os
from pathlib import Path

import pytest

from pipeline.ground.cpus import cpus_here


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("text", "cpus"), [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("", 8)]
)
def test_version_2(text: str, cpus: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    assert cpus_here(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [(-1, 8), (300_000, 3), (1_600_000, 8)])
def test_version_1(quota: int, cpus: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpus_here(tmp_path) == cpus


def test_without_control_groups(tmp_path: Path) -> None:
    assert cpus_here(tmp_path) == 8
