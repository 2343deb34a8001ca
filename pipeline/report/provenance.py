"""Where numbers come from: commit, lock file, versions, machine, and whether the committed digests came out again."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.ground.files import read_json
from pipeline.ground.stage import packages
from pipeline.ground.yaml_file import parse_yaml


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit that the files come from."""

    name: str | None
    """None outside of a git checkout."""
    changed: list[str]
    """Tracked files that differ from it."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """The outputs in dvc.lock beside those in the committed dvc.lock, for the stages that stand in both."""

    same: list[str]
    different: list[str]
    reason: str | None
    """Why nothing could be compared."""

    @property
    def held(self) -> bool:
        return bool(self.same) and not self.different


def commit(root: Path) -> Commit:
    """The checkout's commit and what was changed since."""
    name = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no") or ""
    return Commit(name=name and name.strip(), changed=[line[3:] for line in changed.splitlines()])


def reproduction(root: Path, stages: set[str]) -> Reproduction:
    """Whether the outputs of these stages have the committed digests."""
    committed, lock = _git(root, "show", "HEAD:dvc.lock"), root / "dvc.lock"
    if committed is None or not lock.exists():
        missing = "no committed dvc.lock" if lock.exists() else "no dvc.lock"
        return Reproduction(same=[], different=[], reason=f"{missing} to compare with")
    before, now = _outputs(committed, stages), _outputs(lock.read_text(encoding="utf-8"), stages)
    both = sorted(before.keys() & now.keys())
    return Reproduction(
        same=[path for path in both if before[path] == now[path]],
        different=[path for path in both if before[path] != now[path]],
        reason=None if both else "the committed dvc.lock is of another profile",
    )


def _outputs(lock: str, stages: set[str]) -> dict[str, str]:
    """Digest of each output of these stages in a dvc.lock, which also keeps stages of other profiles."""
    locked: dict[str, Any] = parse_yaml(lock, Path("dvc.lock")).get("stages", {})
    return {
        out["path"]: out["md5"] for name, stage in locked.items() if name in stages for out in stage.get("outs", [])
    }


def versions() -> dict[str, str]:
    """Installed versions of what a number can depend on."""
    return packages()


def stage_records(runs: Path, stages: set[str]) -> list[dict[str, Any]]:
    """What varied from run to run, a record for each of these stages, in the order in which they began."""
    paths = [runs / "records" / f"{name}.json" for name in stages]
    records = [read_json(path, "run the stage again") for path in paths if path.exists()]
    return sorted(records, key=lambda record: str(record["began"]))


def _git(root: Path, *arguments: str) -> str | None:
    """What git says, or None where it has nothing to say."""
    try:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(
            command, capture_output=True, check=True, encoding="utf-8", errors="backslashreplace"
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
