"""Compares the digests in dvc.lock with those in the committed dvc.lock."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.ground.stage_record import RECORDS
from pipeline.ground.yaml_file import parse_yaml


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Outputs in dvc.lock compared with the committed dvc.lock, for stages that are in both."""

    same: list[str]
    different: list[str]
    reason: str | None
    """Why nothing could be compared; None if something was."""

    @property
    def held(self) -> bool:
        return bool(self.same) and not self.different

    def __str__(self) -> str:
        if self.reason:
            return f"digests not compared: {self.reason}"
        number = len(self.same) + len(self.different)
        if self.held:
            return f"digests: all {number} outputs have those of the committed dvc.lock"
        why = "another CPU model, other parameters or other code"
        return f"digests: {len(self.different)} of {number} differ from dvc.lock ({why}): {', '.join(self.different)}"


def reproduction(root: Path, stages: set[str]) -> Reproduction:
    """The comparison for the outputs of these stages."""
    committed, lock = git_output(root, "show", "HEAD:./dvc.lock"), root / "dvc.lock"
    if committed is None or not lock.exists():
        missing = "no committed dvc.lock" if lock.exists() else "no dvc.lock"
        return Reproduction(same=[], different=[], reason=f"{missing} to compare with")
    before, now = _outputs(committed, stages), _outputs(lock.read_text(encoding="utf-8"), stages)
    # Records of stages name packages and code, so they differ anyway.
    both = sorted(path for path in before.keys() & now.keys() if not path.startswith(f"{RECORDS}/"))
    return Reproduction(
        same=[path for path in both if before[path] == now[path]],
        different=[path for path in both if before[path] != now[path]],
        reason=None if both else "the committed dvc.lock is of another profile",
    )


def of_other_runs(root: Path, records: Path) -> bool:
    """Whether dvc.lock describes other runs of the stages than those whose records are in this folder."""
    lock, files = root / "dvc.lock", [path for path in records.glob("*.json") if path.stem != "report"]
    if not lock.exists():
        return True
    now = _outputs(lock.read_text(encoding="utf-8"), {path.stem for path in files})
    digests = {f"{RECORDS}/{path.name}": hashlib.md5(path.read_bytes()).hexdigest() for path in files}  # noqa: S324 # DVC's
    return any(now.get(name) != digest for name, digest in digests.items())


def _outputs(lock: str, stages: set[str]) -> dict[str, str]:
    """Digest of each output of these stages. A dvc.lock also has stages of other profiles."""
    locked: dict[str, Any] = parse_yaml(lock, Path("dvc.lock")).get("stages") or {}
    return {
        out["path"]: out["md5"] for name, stage in locked.items() if name in stages for out in stage.get("outs", [])
    }


def git_output(root: Path, *arguments: str) -> str | None:
    """Output of a git command; None if it fails or there is no git."""
    try:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(
            command, capture_output=True, check=True, encoding="utf-8", errors="backslashreplace"
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
