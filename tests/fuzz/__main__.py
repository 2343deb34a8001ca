"""Damaged recordings of every format through reading and framing: python -m tests.fuzz

Each case follows from --seed and its number; --case runs one of them here, in this process.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from pipeline.ground.paths import RUNS
from pipeline.ground.progress import progress
from tests.fuzz.damage import make_case
from tests.fuzz.guarded import MEMORY, SECONDS, Finding, Tally, run_cases
from tests.fuzz.seeds import FORMATS
from tests.fuzz.target import RECORDINGS, run

FOUND = RUNS / "fuzz"


def main() -> None:
    """Exits with 1 if a case ended in something else than frames or a RecordingError."""
    chosen = _parser().parse_args()
    if chosen.case is not None:
        case = make_case(chosen.seed, chosen.case)
        print(f"case {case.number}: {case.format}, {case.damage}, {len(case.data)} bytes")
        print(run(case))
        return
    start = time.monotonic()
    tallies, findings = _run(chosen.seed, chosen.cases, chosen.workers)
    _print_summary(tallies, time.monotonic() - start, chosen)
    for finding in findings:
        print(f"case {finding.case} ({_save(finding, chosen.seed)}): {finding.reason}", file=sys.stderr)
    if findings:
        sys.exit(f"error: {len(findings)} cases ended in something else than frames or a RecordingError")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--case", type=int, metavar="N", help="run this case alone")
    return parser


def _run(seed: int, cases: int, workers: int) -> tuple[dict[str, Tally], list[Finding]]:
    tallies, findings = {name: Tally() for name in FORMATS}, []
    with progress("fuzz", total=cases, unit="cases") as bar:
        for report in run_cases(RECORDINGS, seed, cases, workers, run):
            if isinstance(report, Finding):
                findings.append(report)
                continue
            for name, tally in report.items():
                tallies[name].add(tally)
                bar.update(sum(tally.outcomes.values()))
    return tallies, findings


def _print_summary(tallies: dict[str, Tally], seconds: float, chosen: argparse.Namespace) -> None:
    print("| format | cases | frames | refused | slowest | largest memory of a case |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, tally in tallies.items():
        frames, refused = (tally.outcomes.get(outcome, 0) for outcome in ("frames", "refused"))
        slow, large = tally.slowest, tally.largest
        print(
            f"| {name} | {frames + refused:,} | {frames:,} | {refused:,} | {slow[0] * 1e3:.0f} ms (case {slow[1]}) | "
            f"{large[0] / (1 << 20):.0f} MiB (case {large[1]}) |"
        )
    print(
        f"seed {chosen.seed}, {chosen.workers} processes, {seconds:.0f} s; limits of a case: {SECONDS:g} s of the "
        f"processor, {MEMORY >> 20} MiB"
    )


def _save(finding: Finding, seed: int) -> Path:
    """The file that a finding is about."""
    case = make_case(seed, finding.case)
    path = FOUND / f"{seed}-{finding.case}{case.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(case.data)
    return path


if __name__ == "__main__":
    main()
