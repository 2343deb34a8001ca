"""Damaged folders of a report through verify: python -m tests.fuzz.reports

Each case follows from --seed and its number; --case runs one of them here, in this process. With every second one, the
digests in the folder are made to fit again, as a careful forger does. No case may end in anything but breaks or an
InputError, but for a folder that is what it was, and for one whose forger made everything fit.
"""

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_text
from pipeline.ground.progress import progress
from pipeline.ground.yaml_file import parse_yaml, read_yaml
from pipeline.judge import claims
from pipeline.verify.verify import UNNAMED, verify
from tests.fuzz.guarded import Finding, Subject, Tally, Target, run_cases
from tests.fuzz.report_damage import KINDS, ReportCase, damage, make_report_case
from tests.fuzz.target import WrongOutcomeError
from tests.verify.made_report import make_root, rewrite

OUTCOMES = ("breaks", "refused", "holds")


@dataclass(frozen=True)
class Lab:
    """A report's folder that is damaged and put back."""

    folder: Path
    whole: dict[Path, bytes]

    def changed(self) -> bool:
        folders = {path for path in _inside(self.folder) if path.is_dir() and not path.is_symlink()}
        known = {folder for path in self.whole for folder in path.parents}
        return _files(self.folder) != self.whole or not folders <= known

    def put_back(self) -> None:
        for path in sorted(_inside(self.folder), reverse=True):
            if path.is_symlink() or not path.is_dir():
                if path not in self.whole or path.is_symlink() or not path.is_file():
                    path.unlink()
            elif not any(path in file.parents for file in self.whole):
                path.rmdir()
        for path, content in self.whole.items():
            if not path.is_file() or path.read_bytes() != content:
                if path.is_dir():
                    path.rmdir()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def _inside(folder: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(folder):
        yield from (Path(top, name) for name in (*folders, *files))


def _files(folder: Path) -> dict[Path, bytes | None]:
    """What lies in a folder; None for what is no file."""
    inside = [path for path in _inside(folder) if path.is_symlink() or not path.is_dir()]
    return {path: path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in inside}


@cache
def lab() -> Lab:
    """One a process, with few claims: most of the time goes into reading and showing them."""
    root = Path(tempfile.mkdtemp(prefix="fuzz-reports-"))
    paper = root / "few"
    (paper / "golden").mkdir(parents=True)
    for file in (paths.CLAIMS.parent / "golden").iterdir():
        (paper / "golden" / file.name).symlink_to(file)
    (paper / "claims.yaml").write_text(_few_claims())
    (root / "made").mkdir()
    pytest.MonkeyPatch().setattr(claims, "read_yaml", _read_claims_once)
    pytest.MonkeyPatch().setattr(
        paths, "CLAIMS", paper / "claims.yaml"
    )  # what verify holds the report's claims against
    with pytest.MonkeyPatch.context() as patch:
        folder = make_root(root / "made", patch, paper)
    return Lab(folder, {path: path.read_bytes() for path in _inside(folder) if path.is_file()})


@cache
def _parsed(text: str, path: Path) -> dict[str, Any]:
    return parse_yaml(text, path)


def _read_claims_once(path: Path) -> dict[str, Any]:
    """Claims that are not damaged are parsed once a process: it would be half of the time of a case."""
    text = read_text(path, "")
    return _parsed(text, path) if text == _few_claims() else read_yaml(path)


@cache
def _few_claims() -> str:
    yaml, text = YAML(typ="safe"), io.StringIO()
    content = yaml.load(paths.CLAIMS.read_text(encoding="utf-8"))
    kinds: dict[str, object] = {claim["kind"]: claim for claim in content["claims"]}
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(content | {"claims": list(kinds.values()), "configurations": {}}, text)
    return text.getvalue()


def run(case: ReportCase) -> str:
    """One of OUTCOMES. Raises WrongOutcomeError."""
    return described(case)[0]


def described(case: ReportCase) -> tuple[str, str]:
    """The outcome of a case, and what was done."""
    here, drawn = lab(), case.drawn
    try:
        done = damage(case, drawn, here.folder)
        if mended := drawn.random() < 0.5:
            done += ", digests mended" if _mended(here.folder) else ", digests could not be mended"
        outcome = _outcome(here.folder)
        if (outcome == "holds") != (not here.changed()) and not (mended and outcome == "holds"):
            raise WrongOutcomeError(f"{done}: {'changed' if here.changed() else 'unchanged'}, but {outcome}")
        return outcome, done
    finally:
        here.put_back()


def _mended(folder: Path) -> bool:
    try:
        if None in _files(folder).values():  # it would wait for a pipe
            return False
        rewrite(folder)
    except Exception:  # what is damaged cannot always be mended
        return False
    return True


def _outcome(folder: Path) -> str:
    try:
        breaks = verify(folder).breaks
    except InputError:
        return "refused"
    for one in breaks:
        if one.file == UNNAMED:
            raise WrongOutcomeError(f"no reader refused the file: {one}"[:2000])
    return "breaks" if breaks else "holds"


def warm(target: Target) -> None:
    """Makes the report; loads and compiles what verify needs."""
    assert _outcome(lab().folder) == "holds"


REPORTS = Subject(make_case=make_report_case, formats=KINDS, warm=warm, seconds=20.0, memory=1 << 30, silence=90.0)


def main() -> None:
    """Exits with 1 if a case ended otherwise than it has to."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.reports", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--case", type=int, metavar="N", help="run this case alone")
    chosen = parser.parse_args()
    if chosen.case is not None:
        print(*described(make_report_case(chosen.seed, chosen.case)), sep=": ")
        return
    start = time.monotonic()
    tallies: dict[str, Tally] = {name: Tally() for name in KINDS}
    findings = []
    with progress("fuzz", total=chosen.cases, unit="cases") as bar:
        for report in run_cases(REPORTS, chosen.seed, chosen.cases, chosen.workers, run):
            if isinstance(report, Finding):
                findings.append(report)
                print(f"case {report.case}: {report.reason}", file=sys.stderr, flush=True)
                continue
            for name, tally in report.items():
                tallies[name].add(tally)
                bar.update(sum(tally.outcomes.values()))
    _print_summary(tallies)
    print(f"seed {chosen.seed}, {chosen.workers} processes, {time.monotonic() - start:.0f} s")
    if findings:
        sys.exit(f"error: {len(findings)} cases ended otherwise than they have to")


def _print_summary(tallies: dict[str, Tally]) -> None:
    print(f"| damaged | {' | '.join(OUTCOMES)} | slowest | largest memory of a case |")
    print(f"| --- |{' --- |' * (len(OUTCOMES) + 2)}")
    for name, tally in tallies.items():
        counts = " | ".join(f"{tally.outcomes.get(outcome, 0):,}" for outcome in OUTCOMES)
        slow, large = tally.slowest, tally.largest
        most = f"{large[0] / (1 << 20):.0f} MiB (case {large[1]})"
        print(f"| {name} | {counts} | {slow[0]:.1f} s (case {slow[1]}) | {most} |")


if __name__ == "__main__":
    main()
