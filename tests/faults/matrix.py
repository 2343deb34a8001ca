"""The auditor, audited: faults planted one at a time into a clean repository, and what finds each, if anything does.

`make audit-matrix` writes results/audit-matrix.json and docs/audit-matrix.md. A fault counts as found only if a line
that the auditor says is about it; a line that a clean repository has too does not count.
"""

import argparse
import json
import multiprocessing
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import positive
from pipeline.evaluate.predictions import read_predictions
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.verify.soundness import ALIKE, likeness
from tests.faults.auditors import AUDITORS, accusations, ask_all
from tests.faults.bases import BASES
from tests.faults.clean import HONEST, Honest
from tests.faults.fault import Fault
from tests.faults.lab import Lab, copy_of
from tests.faults.planted import FAULTS

RESULT = RESULTS / "audit-matrix.json"
DOCUMENT = ROOT / "docs" / "audit-matrix.md"
Row = dict[str, Any]
EMPTY: dict[str, Any] = {"auditors": list(AUDITORS), "seeds": {"pairs": 0, "largest": 0.0}, "faults": [], "clean": []}


def main(arguments: Sequence[str] | None = None) -> None:
    """Plants, asks, prints the table; writes the result and the document anew with each row that comes in."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.matrix", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=positive, default=2, help="processes (default: 2)")
    parser.add_argument("--only", metavar="TEXT", help="rows whose name has it, in the place of those that stand there")
    chosen = parser.parse_args(arguments)
    start = time.perf_counter()
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else EMPTY
    result = before if chosen.only else EMPTY
    with tempfile.TemporaryDirectory(prefix="audit-matrix-") as folder:
        for row in run(Path(folder), chosen.jobs, chosen.only):
            result = with_row(result, row)
            write_whole(RESULT, shown(result).encode())
            write_whole(DOCUMENT, document(result).encode())
    print(f"{summary(result)} ({time.perf_counter() - start:.0f} s); written to {RESULT} and {DOCUMENT}")
    if failures(result):
        sys.exit("a row could not be planted: nothing is known of it")
    if other := list(differing(before, result)):
        sys.exit("\n".join(["not as it was before; commit the two files if that is meant:", *other]))


def run(folder: Path, jobs: int, only: str | None = None) -> Iterator[Row]:
    """The rows as they come, and how far seeds agree."""
    start, outputs = time.perf_counter(), []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=one_thread) as pool:
        made = {name: pool.submit(make_base, name, folder) for name in BASES}
        clean = {name: future.result() for name, future in made.items()}
        print(f"{len(BASES)} clean repositories made in {time.perf_counter() - start:.0f} s", flush=True)
        every: list[Fault | Honest] = [*FAULTS, *HONEST]
        waiting = [pool.submit(look, place_of(case), folder, clean) for case in every if not only or only in case.id]
        for done, future in enumerate(as_completed(waiting)):
            row = future.result()
            outputs += row.pop("outputs", [])
            print(f"{done + 1:3}/{len(waiting)}  {line(row)}", flush=True)
            yield row
    if not only:
        yield alike(outputs)


def differing(before: dict[str, Any], result: dict[str, Any]) -> Iterator[str]:
    """Rows that are found by another auditor than before, or by none; clean repositories that are accused."""
    by = {name_of(row): row["by"] for row in before["faults"]}
    for row in result["faults"]:
        if by.get(name_of(row), row["by"]) != row["by"]:
            yield f"{': '.join(name_of(row))}: {row['by']}, before {by[name_of(row)]}"
    yield from (f"accused: {row['run']}" for row in result["clean"] if row["alarms"])


def with_row(result: dict[str, Any], row: Row) -> dict[str, Any]:
    """The result with a row in its place: the order is that of the lists."""
    if "pairs" in row:
        return result | {"seeds": row}
    part = "clean" if "run" in row else "faults"
    rows = {name_of(one): one for one in (*result[part], row)}
    order = [(one.name,) for one in HONEST] if part == "clean" else [(f.name, f.form, digests_of(f)) for f in FAULTS]
    return result | {part: [rows[name] for name in order if name in rows]}


def name_of(row: Row) -> tuple[str, ...]:
    return (row["run"],) if "run" in row else (row["fault"], row["form"], row["digests"])


def digests_of(fault: Fault) -> str:
    return "made anew" if fault.anew else "as they were"


def one_thread() -> None:
    torch.set_num_threads(1)


def place_of(case: Fault | Honest) -> tuple[str, int]:
    """By which another process finds it in its own lists."""
    return ("fault", FAULTS.index(case)) if isinstance(case, Fault) else ("clean", HONEST.index(case))


def make_base(name: str, folder: Path) -> list[str]:
    """A clean repository at <folder>/<name>, and all that the auditor says of it."""
    lab = BASES[name](folder / name)
    return [text for _, texts in ask_all(lab) for text in texts]


def look(place: tuple[str, int], folder: Path, clean: dict[str, list[str]]) -> Row:
    """Plants one fault, or makes one honest difference, and asks the auditors."""
    kind, index = place
    case: Fault | Honest = FAULTS[index] if kind == "fault" else HONEST[index]
    root = folder / f"{kind}-{index}"
    lab = copy_of(folder / case.base, root)
    try:
        if isinstance(case, Honest):
            return alarms(case, lab)
        return found(case, lab, clean[case.base])
    except (Exception, SystemExit) as error:  # of one row, or of a stage in it; the others go on
        return failed(case, repr(error).replace(f"{root}/", ""))
    finally:
        shutil.rmtree(root)


def failed(case: Fault | Honest, error: str) -> Row:
    """The row of what could not be planted, or raised in an auditor."""
    said = {"failed": f"could not be planted: {error}"}
    if isinstance(case, Honest):
        return {"run": case.name, "alarms": []} | said
    return row_of(case) | {"found": False, "by": None, "message": None, "others": []} | said


def row_of(fault: Fault) -> Row:
    return {"fault": fault.name, "form": fault.form, "digests": digests_of(fault)}


def found(fault: Fault, lab: Lab, clean: list[str]) -> Row:
    """The first auditor that says a line about the fault which it does not say of a clean repository."""
    row = row_of(fault)
    fault.plant(lab)
    others: list[str] = []
    for name, texts in ask_all(lab):
        about = [text for text in texts if re.search(fault.about, text) and text not in clean]
        if about:
            return row | {"found": True, "by": name, "message": about[0]}
        others += [f"{name}: {text}" for text in accusations(texts) if text not in clean]
    return row | {"found": False, "by": None, "message": None, "others": others}


def alarms(honest: Honest, lab: Lab) -> Row:
    """What the auditors hold against a repository in which nothing is wrong."""
    honest.make(lab)
    said = [f"{name}: {text}" for name, texts in ask_all(lab) for text in accusations(texts)]
    return {"run": honest.name, "alarms": said, "outputs": outputs_of(honest, lab)}


def outputs_of(honest: Honest, lab: Lab) -> list[npt.NDArray[np.float32]]:
    """Outputs of the trainings that a repository has for the first time."""
    return [read_predictions(lab.artifacts(seed) / "predictions.parquet").voltage[:, -1] for seed in honest.seeds]


def alike(outputs: list[npt.NDArray[np.float32]]) -> dict[str, Any]:
    """How far two seeds of one configuration agree."""
    pairs = [likeness(one, other) for one, other in combinations(outputs, 2)]
    return {"pairs": len(pairs), "largest": max(pairs)}


def line(row: Row) -> str:
    if "failed" in row:
        return f"FAILED     {': '.join(name_of(row))}\n         {row['failed']}"
    if "run" in row:
        return "\n         ".join([f"{'ALARM' if row['alarms'] else 'clean':<10} {row['run']}", *row["alarms"]])
    said = f"{row['by']}: {row['message']}" if row["found"] else "; ".join(row["others"]) or "nothing was said"
    state = "found" if row["found"] else "NOT FOUND"
    return f"{state:<10} {row['fault']}: {row['form']} ({row['digests']})\n         {said}"


def summary(result: dict[str, Any]) -> str:
    rows, clean = result["faults"], result["clean"]
    seen, broken = sum(row["found"] for row in rows), len(failures(result))
    names = {row["fault"] for row in rows}
    accused = sum(bool(row["alarms"]) for row in clean)
    made, every = len(rows) + len(clean), len(FAULTS) + len(HONEST)
    return (
        (f"Incomplete, {made} of {every} rows: " if made < every else "")
        + f"{len(names)} faults in {len(rows)} forms: {seen} found, {len(missed(result))} not; "
        + f"{len(clean)} clean repositories: {accused} accused"
        + (f"; {broken} could not be planted" if broken else "")
    )


def missed(result: dict[str, Any]) -> list[Row]:
    return [row for row in result["faults"] if not row["found"] and "failed" not in row]


def failures(result: dict[str, Any]) -> list[Row]:
    return [row for row in (*result["faults"], *result["clean"]) if "failed" in row]


def document(result: dict[str, Any]) -> str:
    """docs/audit-matrix.md."""
    return "\n".join(
        [*introduction(result), "", *table(result["faults"]), "", *not_found(result), "", *honest(result), ""]
    )


def introduction(result: dict[str, Any]) -> Iterator[str]:
    yield "# Test of the auditor"
    yield ""
    yield f"{summary(result)}. `make audit-matrix` writes this page and `results/audit-matrix.json`."
    yield ""
    yield (
        "Each fault is planted into a fresh copy of a small repository that the real stages made (three seeds of a "
        "network on scikit-learn's digits; a few simulated recordings for faults of events)."
    )
    yield ""
    yield "- *as they were*: the fault alone, as a mistake leaves it."
    yield (
        "- *made anew*: records, digests, results and report are made to fit it, as a forger would, or as they come "
        "out if the fault was there from the start."
    )
    yield ""
    yield (
        "The auditors are asked in order of their effort, and the first that reports the fault is named. A line that a "
        "clean repository has too does not count. The patterns that a line must match are beside the faults in "
        "`tests/faults/planted.py`."
    )
    yield ""
    yield "Asked, in this order: " + ", ".join(result["auditors"]) + "."
    yield ""
    yield "## Planted faults"


def table(rows: list[Row]) -> Iterator[str]:
    yield "| fault | planted | digests | found by | what it says |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        by, said = (row["by"], f"`{shorter(row['message'])}`") if row["found"] else ("**NOT FOUND**", "")
        if "failed" in row:
            by, said = "", f"`{shorter(row['failed'])}`"
        yield f"| {row['fault']} | {cell(row['form'])} | {row['digests']} | {by} | {said} |"


def shorter(text: str) -> str:
    """What fits into a cell."""
    text = cell(text).replace("`", "'")
    return text if len(text) <= 200 else text[:199] + "…"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def not_found(result: dict[str, Any]) -> Iterator[str]:
    yield "## Not found"
    yield ""
    rows = missed(result)
    for row in rows:
        others = "; ".join(f"`{shorter(text)}`" for text in row["others"])
        said = f"Reported, but not about it: {others}." if others else "Nothing was reported."
        yield f"- {row['fault']}: {row['form']} (digests {row['digests']}). {said}"
    if not rows:
        yield "Every planted fault was found."


def honest(result: dict[str, Any]) -> Iterator[str]:
    yield "## Clean repositories"
    yield ""
    yield "All auditors, on repositories in which nothing is wrong:"
    yield ""
    yield "| repository | accusations |"
    yield "| --- | --- |"
    for row in result["clean"]:
        said = "; ".join(
            f"`{shorter(text)}`" for text in [*row["alarms"], *([row["failed"]] if "failed" in row else [])]
        )
        yield f"| {row['run']} | {said or 'none'} |"
    seeds = result["seeds"]
    if not seeds["pairs"]:
        return
    yield ""
    yield (
        f"Outputs of two seeds of one configuration correlate by at most {seeds['largest']:.3f} in {seeds['pairs']} "
        f"pairs; above {ALIKE} they count as one training."
    )


def shown(result: dict[str, Any]) -> str:
    """JSON with a row a line."""
    parts = []
    for name, value in result.items():
        rows = isinstance(value, list) and value and isinstance(value[0], dict)
        text = "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]" if rows else json.dumps(value)
        parts.append(f"{json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
