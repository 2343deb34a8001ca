"""Profile quick gives the same weights as before: python -m tests.walk.same_weights

The new weights are those of this checkout if it is reproduced; otherwise it is trained. On the processor that made the
committed records, they are compared with the committed dvc.lock. Another processor gives other weights: there, they are
compared with the commit at which this branch left main (on main, the previous commit), which is trained there too.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from ruamel.yaml import YAML

from pipeline.ground.paths import ROOT
from pipeline.protocol.hardware import describe
from tests.walk.small import expect, run, say

STAGES = ("train@digits-0", "train@digits-dvs-0")
MAIN = "main"
Digests = dict[str, str]
"""MD5 of each model.safetensors by its path, as DVC has it."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="same-weights-") as name:
        now = weights((ROOT / "dvc.lock").read_text(encoding="utf-8")) if reproduced() else trained_now(Path(name))
        before = (
            weights(committed("dvc.lock")) if same_processor() else trained(checked_out(base(), Path(name) / "before"))
        )
    for path, digest in before.items():
        expect(now[path] == digest, f"{path}: {now[path]}, before {digest}")


def reproduced() -> bool:
    """Whether DVC finds nothing to do for the two trainings in this checkout."""
    if (ROOT / "params.yaml").read_bytes() != (ROOT / "profiles" / "quick.yaml").read_bytes():
        return False
    status = subprocess.run(["dvc", "status", "--json", *STAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    return status.returncode == 0 and json.loads(status.stdout) == {}


def trained_now(folder: Path) -> Digests:
    """The weights by the code of this checkout, committed or not."""
    names = listed("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return trained(copied(names, folder / "now"))


def same_processor() -> bool:
    """Whether this processor, with this torch, made the committed records."""
    mine = describe(torch.device("cpu"))
    records = [json.loads(committed(f"results/{name}/0.json")) for name in ("digits", "digits-dvs")]
    made = {platform for record in records for platform in record["platforms"]}
    say(f"this processor: {mine}; the committed records: {', '.join(sorted(made))}")
    return made == {mine}


def trained(folder: Path) -> Digests:
    """The weights of profile quick by the code in a folder."""
    shutil.copy(folder / "profiles" / "quick.yaml", folder / "params.yaml")
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    run(folder, "dvc", "repro", *STAGES)
    return weights((folder / "dvc.lock").read_text(encoding="utf-8"))


def weights(lock: str) -> Digests:
    """Of the stages that train, by the text of a dvc.lock."""
    stages = YAML(typ="safe").load(lock)["stages"]
    outs = [out for stage in STAGES for out in stages[stage]["outs"]]
    return {out["path"]: out["md5"] for out in outs if out["path"].endswith(".safetensors")}


def copied(names: Iterable[str], into: Path) -> Path:
    """Files of this checkout as they are, committed or not."""
    for name in names:
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, into / name)
    return into


def checked_out(commit: str, into: Path) -> Path:
    into.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "x", "-C", str(into)], input=archive.stdout, check=True)
    return into


def base() -> str:
    """The commit that is compared with. Ends the walk where there is none, as in a clone of one commit."""
    for command in (["git", "merge-base", "HEAD", MAIN], ["git", "rev-parse", "--quiet", "--verify", "HEAD~1"]):
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        if found and found != git("rev-parse", "HEAD").strip():
            say(f"compared with commit {found[:12]}")
            return found
    sys.exit("this processor did not make the committed records, and there is no earlier commit to compare with")


def committed(path: str) -> str:
    """A file as HEAD has it; the working tree has what was run since."""
    return git("show", f"HEAD:./{path}")


def listed(*arguments: str) -> list[str]:
    return git(*arguments).split("\0")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
