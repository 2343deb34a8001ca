"""Writes docs/study.md and its figures from the records of the profile `study`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.evaluate.record import read_record
from pipeline.ground.files import read_json, write_whole
from pipeline.report.study.figures import picture
from pipeline.report.study.grid import FINE_TUNING, PREFIX, ROBUSTNESS, SECONDS, UNSTABLE_POINTS, Cell, not_run
from pipeline.report.study.part import Declared, StudyPart, make_part

_TEMPLATES = Path(__file__).parent / "templates"


def write_study(declared: Mapping[str, Declared], results: Path, into: Path) -> list[Path]:
    """Writes study.md and study-<dataset>.svg into a folder; returns their paths. `declared` is by run name.

    Raises InputError for an incomplete record.
    """
    known = [read_record(path) for path in sorted(results.glob(f"{PREFIX}*/*.json"))]
    datasets = dict.fromkeys(about.dataset for about in declared.values())
    seconds = measured(results / SECONDS)
    made = (make_part(name, known, declared, seconds.get("datasets")) for name in datasets)
    parts = [part for part in made if part is not None]
    pictures = {into / f"study-{part.name}.svg": picture(part) for part in parts}
    for path, content in pictures.items():
        write_whole(path, content)
    missing = not_run({name: about.configuration for name, about in declared.items()}, known)
    environment = Environment(  # noqa: S701 # Markdown
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("study.md.j2").render(
        parts=parts,
        both=in_both(parts),
        robust=robustness(measured(results / ROBUSTNESS)),
        tuned=measured(results / FINE_TUNING),
        timed_on=seconds.get("machine"),
        missing=missing,
        planned=len(declared),
        by_dataset=counted(declared, missing),
        unstable=UNSTABLE_POINTS,
    )
    write_whole(into / "study.md", f"{text.rstrip()}\n".encode())
    return [into / "study.md", *pictures]


def measured(path: Path) -> dict[str, Any]:
    """The result file of a benchmark; empty if it was not run."""
    found: dict[str, Any] = read_json(path, "run its benchmark again") if path.exists() else {}
    return found


def robustness(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each experiment: title and samples of its data, seeds, and mean accuracy under each change."""
    by_experiment: dict[str, list[Any]] = {}
    for run, one in found.items():
        by_experiment.setdefault(run.rpartition("-")[0], []).append(one)
    return [
        {
            "experiment": experiment,
            "title": ones[0]["title"],
            "samples": ones[0]["samples"],
            "seeds": [one["seed"] for one in ones],
            "changes": [(row["change"], row["part"]) for row in ones[0]["rows"]],
            "accuracies": [
                fmean(row["accuracy"] for row in rows) for rows in zip(*(one["rows"] for one in ones), strict=True)
            ],
        }
        for experiment, ones in by_experiment.items()
    ]


def in_both(parts: list[StudyPart]) -> list[tuple[str, list[Cell | None]]]:
    """Comparisons (same change, same reference) that several datasets have, with each dataset's cell."""
    named = [{(cell.part, cell.reference, cell.changed): cell for cell in part.others} for part in parts]
    keys = list(dict.fromkeys(key for each in named for key in each))
    rows = [
        (f"{part} - {reference}", [each.get((part, reference, changed)) for each in named])
        for part, reference, changed in keys
    ]
    return [(name, row) for name, row in rows if sum(cell is not None for cell in row) > 1]


def counted(declared: Mapping[str, Declared], missing: list[str]) -> dict[str, tuple[int, int]]:
    """By dataset: number of trainings that ran, and number declared."""
    every = Counter(about.dataset for about in declared.values())
    absent = Counter(declared[run].dataset for run in missing)
    return {dataset: (number - absent[dataset], number) for dataset, number in every.items()}
