"""The page of the study from the records that are there; the report stage writes it under the profile `study`."""

import json
from pathlib import Path

from pipeline import paths
from pipeline.params import ExperimentParams, load
from pipeline.report.study import write_study
from pipeline.report.study_part import Declared


def write() -> list[Path]:
    """Writes docs/study.md and its pictures, and gives their paths. Raises InputError."""
    profile = load(paths.PROFILES / "study.yaml")
    declared = {
        name: Declared(
            experiment=run.experiment,
            dataset=run.dataset,
            configuration=as_recorded(profile.experiments[run.experiment]),
        )
        for name, run in profile.runs.items()
    }
    return write_study(declared, paths.RESULTS, paths.ROOT / "docs")


def as_recorded(experiment: ExperimentParams) -> dict[str, object]:
    """Network and training as a record has them: JSON knows no tuples."""
    values = json.loads(experiment.model_dump_json(include={"model", "training"}))
    recorded: dict[str, object] = values["model"] | values["training"]
    return recorded
