"""The checks that can detect a fault, in order of effort, and the output lines of each."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from pipeline.cli.check import check_params
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.verify import recompute
from pipeline.verify.canaries import changed_rules, run_canaries
from pipeline.verify.verify import Recomputation, verify
from tests.faults.lab import Lab, inside

USUAL = (
    r"not signed: ",
    r"not sealed: ",
    r".*: about weights that are not here",
    r"\d+ recorded result\(s\): scored from per-sample answers",
    r"signed by (the )?key ",
    r"\d+ files outside the report are named by digest",
    r"sizes and agreement with the authors' numbers are as stated",
    r".* verdict (REPRODUCED|UNDERPOWERED|NOT RUN)",
    r".* verdict NOT COMPARABLE: (what was run is not what the claim is about|trained on another processor)",
    r".*: not trained again: another processor",
)
"""Lines that a clean report has too; they accuse nobody."""


def ask_all(lab: Lab) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of each, asked when its turn comes; paths of this machine are left out of the lines."""
    for name, ask in AUDITORS.items():
        yield name, [plain(line, lab) for line in ask(lab)]


def accusations(lines: list[str]) -> list[str]:
    """Those that a clean report does not have."""
    return [line for line in lines if not any(re.match(usual, line) for usual in USUAL)]


def plain(line: str, lab: Lab) -> str:
    """The first line of a message, without where the repository lies for this test, and with short digests."""
    text = line.splitlines()[0] if line else line
    text = re.sub(r"/\S*/again-\w+/", "", text.replace(f"{lab.root}/", "").replace(f"{lab.clean}/", ""))
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1…", text)


def check(lab: Lab) -> list[str]:
    """`sresnet check`"""
    try:
        with redirect_stdout(io.StringIO()):
            check_params(lab.root / "params.yaml")
    except InputError as error:
        return [" ".join(str(error).split())]
    return []


def canaries(lab: Lab) -> list[str]:
    """`sresnet canaries`, in a repository whose code was changed; those of libraries in this process."""
    if not (lab.root / "models").is_symlink():
        said = lab.in_its_code("pipeline.cli.command_line", "canaries").splitlines()
        return [line for line in said if " gives " in line]
    with lab.library():
        return changed_rules(run_canaries())


def verdicts(lab: Lab) -> list[str]:
    """What the report says of each claim."""
    path = lab.report / "audit.json"
    if not path.exists():
        return []
    claims = json.loads(path.read_text(encoding="utf-8"))["claims"]
    return [
        "; ".join([f"{claim['id']}: verdict {claim['verdict']}: {claim['reason']}", *claim["differences"]])
        for claim in claims
    ]


def verified(lab: Lab, root: Path | None = None, anew: Recomputation | None = None) -> list[str]:
    """`sresnet verify`: breaks and notes. What --again makes is made in this process."""
    try:
        with inside(lab.root), patch.object(paths, "CLAIMS", lab.clean / "paper" / "claims.yaml"):
            result = verify(lab.report, lab.key, root, anew)
    except InputError as error:
        return [str(error)]
    return [str(broken) for broken in result.breaks] + result.notes


AUDITORS: dict[str, Callable[[Lab], list[str]]] = {
    "sresnet check": check,
    "the stages, while they run": lambda lab: lab.said,
    "sresnet canaries": canaries,
    "the verdict": verdicts,
    "sresnet verify": verified,
    "sresnet verify --root": lambda lab: verified(lab, lab.root),
    "sresnet verify --root --again": lambda lab: verified(lab, lab.root, recompute.AGAIN),
    "sresnet verify --root --train-again": lambda lab: verified(lab, lab.root, recompute.TRAIN_AGAIN),
}
