"""The pipeline in unusual but realistic folders and environments: python -m tests.walk.places

Clones of this repository's last commit, each with its own virtual environment:
- a path with spaces, umlauts, quotes and #, reached by a link, with Windows' line ends asked of git, a strict umask, a
  long TMPDIR and an empty environment; then DVC's verbs in a fresh clone, with a HOME that
  cannot be written, and an older commit;
- the sources without git, as an archive of a release;
- a worktree of git;
- data/ as a link.
"""

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.ground.paths import ROOT
from tests.walk.small import expect, run, say

ODD = "größe b'c #1"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="p-") as name:
        folder = Path(name)
        odd = folder / ODD / "a link"
        clone(odd, folder / ODD)
        anywhere(odd, folder)
        verbs(odd)
        older(odd)
        worktree(odd, folder / "worktree")
        linked(folder / "worktree", folder / "elsewhere")
        without_git(folder / "release")


def clone(link: Path, folder: Path) -> None:
    folder.mkdir()
    git(folder, "clone", "--quiet", "-c", "core.autocrlf=true", str(ROOT), str(folder / "real"))
    link.symlink_to(folder / "real")
    expect(not git(link, "status", "--porcelain"), "a clone that asks for Windows' line ends has the committed bytes")
    make_small(link)


def make_small(folder: Path) -> None:
    """One training of one epoch in params.yaml, committed."""
    yaml = YAML(typ="safe")
    params = yaml.load((folder / "profiles" / "quick.yaml").read_text(encoding="utf-8"))
    for part in ("datasets", "experiments", "runs"):
        params[part] = {name: value for name, value in params[part].items() if name in ("digits", "digits-0")}
    params["experiments"]["digits"]["model"] |= {"width": 2, "time_steps": 2}
    params["experiments"]["digits"]["training"] |= {"epochs": 1}
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def anywhere(folder: Path, around: Path) -> None:
    """`make repro` with nothing in the environment but a PATH and a HOME."""
    temporary = around / ("temporary folder " + "x" * 60)
    temporary.mkdir()
    before = os.umask(0o077)
    try:
        run(folder, "make", "setup")  # packages may come from where the environment says
        bare(folder, "make", "repro", TMPDIR=str(temporary))
    finally:
        os.umask(before)
    expect((folder / "report" / "index.html").exists(), "there is a report")
    expect((folder / "results" / "digits" / "0.json").stat().st_mode & 0o077 == 0, "the umask holds")
    said = bare(folder, ".venv/bin/dvc", "repro")
    expect("Running stage" not in said, "dvc without an activated environment finds nothing to do")
    bare(folder, ".venv/bin/sresnet", "verify", "--root", ".")


def verbs(folder: Path) -> None:
    """A fresh clone finds the numbers of the commit that it was made from."""
    commit(folder)
    fresh = folder.parent / "fresh"
    git(folder, "clone", "--quiet", str(folder), str(fresh))
    (fresh / ".venv").symlink_to(folder / ".venv")
    dvc = [".venv/bin/dvc"]
    pulled(folder, fresh)
    before = json.loads(bare(fresh, *dvc, "metrics", "show", "--json"))
    (accuracy,) = [run["accuracy"] for values in before[""]["data"].values() for run in values["data"].values()]
    bare(fresh, *dvc, "exp", "run", "--quiet", "-S", "experiments.digits.training.epochs=2", HOME="/proc/none")
    changed = json.loads(bare(fresh, *dvc, "params", "diff", "--json"))
    expect(list(changed["params.yaml"]) == ["experiments.digits.training.epochs"], "an override reaches one value")
    ((values),) = json.loads(bare(fresh, *dvc, "metrics", "diff", "--json")).values()
    (old,) = [value["old"] for name, value in values.items() if name.endswith(".accuracy")]
    expect(old == accuracy, "dvc metrics diff has HEAD's numbers beside the new ones")
    plots = json.loads(bare(fresh, *dvc, "plots", "diff", "--json"))
    revisions = {one for plot in plots["data"].values() for drawn in plot for one in drawn["revisions"]}
    expect({"HEAD", "workspace"} <= revisions and not plots.get("errors"), "dvc plots diff has both")
    table = list(csv.DictReader(io.StringIO(bare(fresh, *dvc, "exp", "show", "--csv"))))
    shown = {float(value) for row in table for name, value in row.items() if name.endswith(".accuracy") and value}
    expect(len(shown) == 2 and any(abs(one - accuracy) < 0.01 for one in shown), f"dvc exp show has both: {shown}")


def pulled(folder: Path, fresh: Path) -> None:
    """What was computed comes into the fresh clone with its records and its report, which holds there."""
    for place in (folder, fresh):
        bare(place, ".venv/bin/dvc", "remote", "add", "--local", "--default", "shelf", "../shelf")
    bare(folder, ".venv/bin/dvc", "push")
    bare(fresh, ".venv/bin/dvc", "pull")
    said = bare(fresh, ".venv/bin/dvc", "repro")
    expect("Running stage" not in said, "after a pull into a fresh clone nothing runs")
    bare(fresh, ".venv/bin/sresnet", "verify")
    bare(fresh, ".venv/bin/sresnet", "verify", "--root", ".")


def older(folder: Path) -> None:
    """The report is of the newest commit while an older one is checked out."""
    git(folder, "checkout", "--quiet", "HEAD~1")
    said = json.loads(bare(folder, ".venv/bin/dvc", "status", "--json", "report"))
    outs = [part["changed outs"] for part in said["report"] if "changed outs" in part]
    expect([list(out) for out in outs] == [["report"]], f"DVC says that the report is another commit's: {outs}")
    git(folder, "checkout", "--quiet", "-")


def worktree(folder: Path, tree: Path) -> None:
    git(folder, "worktree", "add", "--quiet", "--detach", str(tree))
    (tree / ".venv").symlink_to(folder / ".venv")
    bare(tree, ".venv/bin/dvc", "repro", "download@digits")
    expect((tree / "data" / "raw" / "digits").is_dir(), "a worktree works")


def linked(tree: Path, elsewhere: Path) -> None:
    (tree / "data").rename(elsewhere)
    (tree / "data").symlink_to(elsewhere)
    said = bare(tree, ".venv/bin/python", "-m", "pipeline.cli.command_line", "check", fails=1)
    expect("data: is a symbolic link" in said and "dvc cache dir" in said, "data/ as a link is refused with the remedy")


def without_git(folder: Path) -> None:
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    run(folder, "make", "setup")
    bare(folder, ".venv/bin/dvc", "repro", "download@digits")
    expect((folder / "data" / "raw" / "digits").is_dir(), "sources without git work")


def commit(folder: Path) -> None:
    identity = ("-c", "user.name=walk", "-c", "user.email=walk@example.org")
    git(folder, "add", "--all")
    git(folder, *identity, "commit", "--quiet", "--message", "small")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def bare(folder: Path, *command: str, fails: int = 0, **more: str) -> str:
    """What a command says that finds nothing in its environment but HOME and a PATH."""
    say(f"$ {' '.join(command)}")
    known: dict[str, Any] = {"HOME": os.environ.get("HOME", "/root"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, env=known | more, capture_output=True, text=True, check=False)
    if done.returncode != fails:
        sys.exit(f"{done.stdout}{done.stderr}\nended with {done.returncode}: {' '.join(command)}")
    return done.stdout + (done.stderr if fails else "")


if __name__ == "__main__":
    main()
