"""Reference curves: histories of earlier trainings of a recipe, and the band in which a new training should stay.

The band at an epoch is mean ± t s sqrt(1 + 1/n) over the n reference seeds other than the training's own. s is the
larger of their standard deviation at that epoch and the root mean square of the deviations at all epochs, because few
seeds can be close together at one epoch by chance. t is Student's, with 5 % shared among all epochs and measures
(Bonferroni): if values are normal over seeds, at most 5 % of sound trainings leave the band anywhere.
Bands do not affect a training and are not part of its identity.
"""

import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any, ClassVar

from models.bounds import STRICT, Within
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.protocol.bands import Band, Bands
from pipeline.protocol.config import recorded_training

MEASURES = {"train_loss": 0.0, "train_accuracy": 0.1}
"""Columns of history.csv, with the amount by which the band is widened on both sides (loss; percentage points). Where
all seeds reach 100 %, the deviation is 0, and one wrong sample should not be an alarm."""
RECIPE = ("network", "training", "data_digest")
"""Keys of config.json that all trainings of one reference have in common."""
ALARM = 0.05
LEAST_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Recorded trainings of one recipe."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    experiment: str
    network: dict[str, Any]
    training: dict[str, Any]
    data_digest: str
    histories: dict[str, dict[str, list[Annotated[float, Within(0, 1e9)]]]]
    """By seed and measure, one value per epoch."""

    def band(self, measure: str, seed: int) -> Band:
        """The band for a training with that seed; empty if there are too few other seeds."""
        others = [history[measure] for name, history in self.histories.items() if name != str(seed)]
        if len(others) < LEAST_SEEDS:
            return []
        from scipy.special import stdtrit  # takes a third of a second to import

        epochs, n = len(others[0]), len(others)
        level = ALARM / (len(MEASURES) * epochs)
        reach = float(stdtrit(n - 1, 1 - level / 2)) * math.sqrt(1 + 1 / n)
        middles = [fmean(values) for values in zip(*others, strict=True)]
        deviations = [stdev(values) for values in zip(*others, strict=True)]
        usual = math.sqrt(fmean(deviation**2 for deviation in deviations))
        spans = [reach * max(deviation, usual) + MEASURES[measure] for deviation in deviations]
        return [(middle - span, middle + span) for middle, span in zip(middles, spans, strict=True)]

    def bands(self, seed: int) -> Bands:
        """The bands of all measures for a training with that seed."""
        others = len(self.histories.keys() - {str(seed)})
        return Bands(trainings=others, of={measure: self.band(measure, seed) for measure in MEASURES})

    def differences(self, network: Mapping[str, Any], training: Mapping[str, Any], data_digest: str) -> list[str]:
        """A line for each key in which a recipe differs from this one."""
        mine = (self.network, recorded_training(self.training), {"data_digest": self.data_digest})
        other = (_plain(network), _plain(recorded_training(training)), {"data_digest": data_digest})
        return [
            f"{key} is {theirs.get(key)}, but {own.get(key)} in the reference"
            for own, theirs in zip(mine, other, strict=True)
            for key in sorted(own.keys() | theirs.keys())
            if own.get(key) != theirs.get(key)
        ]

    def write(self, path: Path) -> None:
        parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in asdict(self).items()]
        write_whole(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON represents them, with lists instead of tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def curves_path(results: Path, experiment: str) -> Path:
    return results / f"curves-{experiment}.json"


def read_curves(path: Path) -> Curves | None:
    """Recorded curves, or None if the file does not exist. Raises InputError."""
    if not path.exists():
        return None
    from pipeline.ground.schema import read_as  # imports pydantic, which workers need not have

    remedy = "`sresnet curves` writes them"
    curves = read_as(Curves, path, "a file of reference curves", remedy)
    lengths = {len(values) for history in curves.histories.values() for values in history.values()}
    if (
        len(lengths) != 1
        or 0 in lengths
        or any(history.keys() != MEASURES.keys() for history in curves.histories.values())
    ):
        raise InputError(
            f"{path}: not reference curves (histories: each needs {', '.join(MEASURES)} of equal length); {remedy}"
        )
    return curves


def recorded(experiment: str, folders: Sequence[Path]) -> Curves:
    """The curves of finished trainings, from config.json and history.csv in each folder. Raises InputError."""
    if len(folders) < LEAST_SEEDS:
        raise InputError(
            f"{experiment}: {len(folders)} finished training(s), but a band needs {LEAST_SEEDS}; train more "
            "seeds, for instance with `sresnet use PROFILE --seeds 5`"
        )
    found = [_finished(folder) for folder in folders]
    first = found[0][0]
    for folder, (config, _) in zip(folders, found, strict=True):
        for key in RECIPE:
            if config[key] != first[key]:
                raise InputError(f"{folder}: {key} differs from {folders[0]}; curves need one recipe on one dataset")
    return Curves(
        experiment=experiment,
        network=first["network"],
        training=first["training"],
        data_digest=first["data_digest"],
        histories={
            str(config["seed"]): history for config, history in sorted(found, key=lambda pair: int(pair[0]["seed"]))
        },
    )


def _finished(folder: Path) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Configuration and history of a finished training. Raises InputError."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = {key: config[key] for key in RECIPE} | {"seed": int(config["seed"])}
        return config, _history(folder / "history.csv")
    except (OSError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: config.json or history.csv is missing or damaged ({type(error).__name__}: {error}); train again"
        ) from None


def _history(path: Path) -> dict[str, list[float]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {measure: [float(row[measure]) for row in rows] for measure in MEASURES}


def reference(
    results: Path, experiment: str, network: Mapping[str, Any], training: Mapping[str, Any], data_digest: str
) -> Curves | None:
    """The recorded curves of this recipe, or None; prints a line if they are of another recipe. Raises InputError."""
    curves = read_curves(curves_path(results, experiment))
    if curves is None:
        return None
    if differences := curves.differences(network, training, data_digest):
        print(f"{experiment}: not compared with the reference curves: {'; '.join(differences)}", file=sys.stderr)
        return None
    return curves
