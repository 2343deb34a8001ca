"""The comparison with the committed dvc.lock, in a real git repository."""

import subprocess
from pathlib import Path

import pytest

from pipeline.report.reproduction import reproduction

LOCK = """stages:
  train@a:
    outs:
    - {path: model, md5: MODEL}
    - {path: records/train@a.json, md5: RECORD}
  report:
    outs:
    - {path: audit, md5: AUDIT}
"""


def git(root: Path, *arguments: str) -> None:
    name = ("-c", "user.name=n", "-c", "user.email=e@x.invalid")
    subprocess.run(["git", "-C", str(root), *name, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "dvc.lock").write_text(LOCK)
    git(tmp_path, "add", "dvc.lock")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_the_same_digests_hold(checkout: Path) -> None:
    found = reproduction(checkout, {"train@a"})
    assert (found.held, found.same, found.different) == (True, ["model"], [])
    assert str(found) == "digests: all 1 outputs have those of the committed dvc.lock"


def test_another_digest_does_not_hold(checkout: Path) -> None:
    (checkout / "dvc.lock").write_text(LOCK.replace("MODEL", "OTHER"))
    found = reproduction(checkout, {"train@a"})
    assert (found.held, found.different) == (False, ["model"])
    assert str(found).endswith("other parameters or other code): model")


def test_stages_of_another_profile_are_left_out(checkout: Path) -> None:
    (checkout / "dvc.lock").write_text(LOCK.replace("AUDIT", "OTHER"))
    assert reproduction(checkout, {"train@a"}).held
    assert reproduction(checkout, {"train@b"}).reason == "the committed dvc.lock is of another profile"


def test_another_profile_and_no_git_are_said(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (checkout / "dvc.lock").write_text(LOCK.replace("path: model", "path: other"))
    assert reproduction(checkout, {"train@a"}).reason == "the committed dvc.lock is of another profile"
    outside = tmp_path_factory.mktemp("outside")
    assert reproduction(outside, {"train@a"}).reason == "no dvc.lock to compare with"
