"""The page of the study from the records that are there: python -m pipeline.study

The report stage writes it under the profile `study`, once all of it has run.
"""

import json
import sys
from pathlib import Path

from pipeline import paths
from pipeline.errors import InputError
from pipeline.params import ExperimentParams, load
from pipeline.report.study import write_study
from pipeline.report.study_part import Declared


def write(into: Path = paths.ROOT / "docs") -> list[Path]:
    """Writes study.md and its pictures into a folder, and gives their paths. Raises InputError."""
    profile = load(paths.PROFILES / "study.yaml")
    declared = {
        name: Declared(
            experiment=run.experiment,
            dataset=run.dataset,
            configuration=as_recorded(profile.experiments[run.experiment]),
        )
        for name, run in profile.runs.items()
    }
    return write_study(declared, paths.RESULTS, into)


def as_recorded(experiment: ExperimentParams) -> dict[str, object]:
    """Network and training as a record has them: JSON knows no tuples."""
    values = json.loads(experiment.model_dump_json(include={"model", "training"}))
    recorded: dict[str, object] = values["model"] | values["training"]
    return recorded


if __name__ == "__main__":
    try:
        print("\n".join(str(path) for path in write()))
    except InputError as error:
        sys.exit(f"error: {error}")
