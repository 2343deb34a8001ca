"""Runs of the study that were trained again on another processor, against their committed records.

Train them again, then `python -m benchmarks.rerun` before their new records are committed. It compares each record of
results/study-* with the committed one, if the two name different processors, and writes results/study-rerun.json,
which docs/study.md cites. `git checkout results/study-*/` then puts the first records back.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.files import parse_json, read_json, write_whole
from pipeline.report.reproduction import git_output
from pipeline.report.study.grid import PREFIX, RERUN


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line per run and writes the result. Raises InputError."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rerun", description=(__doc__ or "").split("\n")[0])
    parser.parse_args(arguments)
    rows = compared(paths.ROOT)
    if not rows:
        raise InputError(f"results/{PREFIX}*: no record that names another processor than the committed one")
    for row in rows:
        print(f"{row['experiment']}-{row['seed']}: {row['first']['correct']} and {row['again']['correct']} correct")
    write_whole(paths.RESULTS / RERUN, json.dumps({"runs": rows}, indent=1).encode() + b"\n")
    print(f"written to {paths.RESULTS / RERUN}")


def compared(root: Path) -> list[dict[str, Any]]:
    """A row per run whose record and committed record name different processors."""
    rows = []
    for path in sorted((root / "results").glob(f"{PREFIX}*/*.json")):
        committed = git_output(root, "show", f"HEAD:./{path.relative_to(root)}")
        first, again = parse_json(committed) if committed else None, read_json(path, "train the run again")
        if first and first["platforms"] != again["platforms"]:
            rows.append(row(first, again))
    return rows


def row(first: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """What the two records of a run say of its weights and answers. Raises InputError for another configuration."""
    rows = [{name: record["digests"][name] for name in ("train_rows", "test_rows")} for record in (first, again)]
    if rows[0] != rows[1] or any(first[part] != again[part] for part in ("network", "training")):
        raise InputError(f"{first['experiment']}-{first['seed']}: trained again with other parameters or data")
    return {
        "experiment": first["experiment"],
        "seed": first["seed"],
        "samples": first["test"]["samples"],
        "same_weights": first["digests"]["model"] == again["digests"]["model"],
        "first": seen(first),
        "again": seen(again),
    }


def seen(record: dict[str, Any]) -> dict[str, Any]:
    """What one of the two records says."""
    return {"platforms": record["platforms"], "correct": record["test"]["correct"]}


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
