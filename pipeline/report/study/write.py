"""`sresnet study`: writes the page of the study from the existing records."""

import json
from pathlib import Path

from pipeline.ground import paths
from pipeline.protocol.params import ExperimentParams, load_params
from pipeline.report.study.dataset import Declared
from pipeline.report.study.page import write_study


def write(into: Path = paths.ROOT / "docs") -> list[Path]:
    """Writes study.md and its figures into a folder; returns their paths. Raises InputError."""
    profiles = [load_params(paths.PROFILES / f"{name}.yaml") for name in ("study", "study-rates")]
    declared = {
        name: Declared(
            experiment=run.experiment,
            dataset=run.dataset,
            configuration=as_recorded(profile.experiments[run.experiment]),
        )
        for profile in profiles
        for name, run in profile.runs.items()
    }
    return write_study(declared, paths.ROOT, into)


def as_recorded(experiment: ExperimentParams) -> dict[str, object]:
    """Network and training in the form of a record: JSON has lists instead of tuples."""
    values = json.loads(experiment.model_dump_json(include={"model", "training"}))
    recorded: dict[str, object] = values["model"] | values["training"]
    return recorded
