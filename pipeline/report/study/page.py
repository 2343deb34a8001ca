"""Writes docs/study.md and its figures from the records of the profile `study`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.evaluate.record import read_record
from pipeline.evaluate.statistics import percent
from pipeline.ground.files import read_json, write_whole
from pipeline.judge.answered import checked_hits
from pipeline.judge.matching import name_of
from pipeline.report.study.chart import picture
from pipeline.report.study.content import content_of
from pipeline.report.study.dataset import Declared, make_dataset
from pipeline.report.study.grid import (
    FINE_TUNING,
    INTERVALS,
    PREFIX,
    RERUN,
    ROBUSTNESS,
    SECONDS,
    UNSTABLE_POINTS,
    not_run,
)
from pipeline.report.study.unstable import curve_rows, curves_picture, without_curves

_TEMPLATES = Path(__file__).parent / "templates"


def write_study(declared: Mapping[str, Declared], root: Path, into: Path) -> list[Path]:
    """Writes study.md and its pictures into a folder; returns their paths. `declared` is by run name.

    Raises InputError for an incomplete record in results/ below `root`, or one that its per-sample answers contradict.
    """
    results = root / "results"
    known = [read_record(path) for path in sorted(results.glob(f"{PREFIX}*/*.json"))]
    answered = {name_of(record): checked_hits(record, root) for record in known}
    hits = {name: found for name, found in answered.items() if found}
    names, seconds = dict.fromkeys(about.dataset for about in declared.values()), measured(results / SECONDS)
    made = (make_dataset(name, known, declared, hits, seconds.get("datasets")) for name in names)
    datasets = [one for one in made if one is not None]
    pictures = {into / f"study-{one.name}.svg": picture(one) for one in datasets if one.compared}
    configurations = {about.experiment: about.configuration for about in declared.values()}
    curves = {one.name: curve_rows(one, configurations, results) for one in datasets}
    pictures |= {into / f"study-{name}-unstable.svg": curves_picture(rows) for name, rows in curves.items() if rows}
    for path, content in pictures.items():
        write_whole(path, content)
    missing = not_run({name: about.configuration for name, about in declared.items()}, known)
    text = (
        _environment()
        .get_template("study.md.j2")
        .render(
            **content_of(datasets),
            robust=robustness(measured(results / ROBUSTNESS)),
            tuned=measured(results / FINE_TUNING),
            simulated=measured(results / INTERVALS),
            rerun=rerun_of(measured(results / RERUN).get("runs", [])),
            timed_on=seconds.get("machine"),
            missing=missing,
            planned=len(declared),
            by_dataset=counted(declared, missing),
            unstable=UNSTABLE_POINTS,
            curves=curves,
            without_curves=without_curves,
        )
    )
    write_whole(into / "study.md", f"{text.rstrip()}\n".encode())
    return [into / "study.md", *pictures]


def _environment() -> Environment:
    environment = Environment(  # noqa: S701 # Markdown
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["sentence"] = lambda text: text[0].upper() + text[1:]
    return environment


def measured(path: Path) -> dict[str, Any]:
    """The result file of a benchmark; empty if it was not run."""
    found: dict[str, Any] = read_json(path, "run its benchmark again") if path.exists() else {}
    return found


def robustness(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each experiment: title and samples of its data, seeds, processor, and mean accuracy under each change."""
    by_experiment: dict[str, list[Any]] = {}
    for run, one in found.items():
        by_experiment.setdefault(run.rpartition("-")[0], []).append(one)
    return [
        {
            "experiment": experiment,
            "title": ones[0]["title"],
            "samples": ones[0]["samples"],
            "seeds": [one["seed"] for one in ones],
            "machine": ones[0]["machine"],
            "changes": [(row["change"], row["part"]) for row in ones[0]["rows"]],
            "accuracies": [
                fmean(row["accuracy"] for row in rows) for rows in zip(*(one["rows"] for one in ones), strict=True)
            ],
        }
        for experiment, ones in by_experiment.items()
    ]


def rerun_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Processors of both times; for each experiment its seeds, both accuracies (percent), seeds of equal weights."""
    by_experiment: dict[str, list[Any]] = {}
    for one in runs:
        by_experiment.setdefault(one["experiment"], []).append(one)
    times = ("first", "again")
    rows = [
        {
            "experiment": experiment,
            "seeds": [one["seed"] for one in ones],
            "same_weights": [one["seed"] for one in ones if one["same_weights"]],
            **{time: [percent(one[time]["correct"], one["samples"]) for one in ones] for time in times},
        }
        for experiment, ones in by_experiment.items()
    ]
    return {"rows": rows} | {time: sorted({name for one in runs for name in one[time]["platforms"]}) for time in times}


def counted(declared: Mapping[str, Declared], missing: list[str]) -> dict[str, tuple[int, int]]:
    """By dataset: number of trainings that ran, and number declared."""
    every = Counter(about.dataset for about in declared.values())
    absent = Counter(declared[run].dataset for run in missing)
    return {dataset: (number - absent[dataset], number) for dataset, number in every.items()}
