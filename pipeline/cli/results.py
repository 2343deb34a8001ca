"""`sresnet results`: the results of the report in a few lines. Needs neither torch nor DVC."""

from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.ground.errors import InputError
from pipeline.ground.files import parse_json, read_json
from pipeline.ground.names import shown
from pipeline.ground.paths import PARAMS, REPORT, ROOT
from pipeline.ground.stage_record import RECORDS
from pipeline.ground.yaml_file import parse_yaml, read_yaml
from pipeline.report.reproduction import git_output, of_other_runs, reproduction

_REMEDY = "`make repro` writes it"
_COMMITTED = ("dvc.lock", "results")
"""Committed files that a run changes if its numbers differ."""
_SHOWN = 20
"""Most outputs of other parameters that are named."""
_STATUS = ("status", "--porcelain", "--untracked-files=no", "--")


def show_results(root: Path = ROOT) -> None:
    """Prints the lines of `results_lines`. Raises InputError without a report."""
    print("\n".join(results_lines(root)))


def results_lines(root: Path) -> list[str]:
    """One line per run, the verdicts, the comparison with the committed digests, and the path of the report.

    Raises InputError without a report.
    """
    report = root / REPORT.name
    evidence = report / "evidence"
    audit = read_json(report / "audit.json", _REMEDY)
    try:
        runs = [f"{run['experiment']}/{run['seed']}" for run in audit["results"]]
        verdicts = Counter(claim["verdict"] for claim in audit["claims"])
    except (KeyError, TypeError):
        raise InputError(f"{report / 'audit.json'}: not the audit of a report; {_REMEDY}") from None
    records = {run: read_json(evidence / "results" / f"{run}.json", _REMEDY) for run in runs}
    return [
        *_other_runs_line(root, audit["profile"], {run.replace("/", "-") for run in runs}),
        *_run_lines(records),
        "claims: " + ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items(), key=_telling)),
        _digests_line(root, evidence / RECORDS),
        *_changed_lines(root, records),
        f"report: {report / 'index.html'}",
    ]


def _other_runs_line(root: Path, profile: str, runs: set[str]) -> list[str]:
    """A line if the report is of another profile, or of other runs, than params.yaml."""
    path = root / PARAMS.name
    params = read_yaml(path) if path.exists() else {}
    now, wanted = params.get("profile"), set(params.get("runs") or runs)
    if now not in (None, profile):
        return [f"These are of profile {profile}; params.yaml has {now}: `make repro` runs it."]
    if runs == wanted:
        return []
    parts = {"of params.yaml are not in it": wanted - runs, "of it are not in params.yaml": runs - wanted}
    others = "; ".join(f"{len(names)} run(s) {said}" for said, names in parts.items() if names)
    return [f"This report is of other runs: {others}. `make repro` makes a new one."]


def _telling(counted: tuple[str, int]) -> tuple[bool, str]:
    """Sort key of (verdict, count): NOT RUN comes last."""
    return counted[0] == "NOT RUN", counted[0]


def _run_lines(records: dict[str, Any]) -> list[str]:
    """One line per run: accuracy, 95 % interval, test samples, data."""
    rows = [(run.replace("/", "-"), record["test"], record["dataset"]["title"]) for run, record in records.items()]
    width = max((len(name) for name, *_ in rows), default=0)
    return [
        f"{name:<{width}}  {test['top1_percent']:6.2f} %  [{test['top1_low']:.2f}, {test['top1_high']:.2f}]"
        f"  n = {test['samples']:,}  {shown(title)}"
        for name, test, title in rows
    ]


def _digests_line(root: Path, records: Path) -> str:
    """The comparison without the list of differing outputs, which the stage `report` prints."""
    if of_other_runs(root, records):
        return "digests not compared: dvc.lock is not of this report's runs; `make repro` makes them fit"
    found = reproduction(root, {path.stem for path in records.glob("*.json")} - {"report"})
    if not found.different:
        return str(found)
    number = len(found.same) + len(found.different)
    return f"digests: {len(found.different)} of {number} outputs differ from the committed dvc.lock"


def _changed_lines(root: Path, records: dict[str, Any]) -> list[str]:
    """Why committed files have changed, and what to do with them; empty if they have not."""
    changed = [name for name in _COMMITTED if git_output(root, *_STATUS, name)]
    if not changed:
        return []
    files, left = " ".join(("params.yaml", *_COMMITTED)), _leftovers(root)
    return [
        f"git: {' and '.join(changed)} changed: {_why(root, changed, records, left)}",
        f"  to keep them:  git add {files} && git commit",
        f"  to go back:    git checkout HEAD {files} && make repro",
        *(["                 first move or remove what is of other parameters:"] if left else []),
        *(f"                   {name}" for name in left[:_SHOWN]),
        *([f"                   and {len(left) - _SHOWN} more"] if len(left) > _SHOWN else []),
    ]


def _why(root: Path, changed: list[str], records: dict[str, Any], left: list[str]) -> str:
    before = {run: git_output(root, "show", f"HEAD:./results/{run}.json") for run in records}
    ours = [records[run]["platforms"] for run, text in before.items() if text]
    theirs = [parse_json(text)["platforms"] for text in before.values() if text]
    if ours != theirs:
        return "computed on another CPU model"
    if left and changed == ["dvc.lock"] and not git_output(root, *_STATUS, PARAMS.name):
        return "the report's stage reads outputs of other parameters too"
    return "parameters, code or data differ"


def _leftovers(root: Path) -> list[str]:
    """What the stage `report` reads and the committed params.yaml does not make, so that dvc.lock changes."""
    params = parse_yaml(git_output(root, "show", f"HEAD:./{PARAMS.name}") or "{}", root / PARAMS.name)
    data, runs = params.get("datasets") or {}, params.get("runs") or {}
    trained = {f"{run['experiment']}/{run['seed']}" for run in runs.values()}
    recorded = {"download": data, "preprocess": data, "train": runs, "evaluate": runs}
    records = [path.stem.split("@", 1) for path in sorted((root / RECORDS).glob("*@*.json"))]
    untracked = git_output(root, "ls-files", "--others", "--exclude-standard", "--directory", "-z", "--", "results")
    return [
        *(f"data/arrow/{path.name}" for path in sorted((root / "data" / "arrow").glob("*")) if path.name not in data),
        *(f"artifacts/{name}" for name in _below(root / "artifacts") if name not in trained),
        *(name for name in (untracked or "").split("\0") if name),
        *(f"{RECORDS}/{stage}@{name}.json" for stage, name in records if name not in recorded.get(stage, name)),
    ]


def _below(folder: Path) -> list[str]:
    """Paths of the trainings in artifacts/: experiment and seed."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
