"""Unusual but correct repositories, in which the checks must not report a fault."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from pipeline.evaluate.predictions import Predictions
from pipeline.report.signing import sign
from pipeline.train.checkpoints import numbers
from tests.faults import tools
from tests.faults.lab import Lab, edit_json, edit_yaml
from tests.faults.tools import add_seed


@dataclass(frozen=True, kw_only=True)
class Honest:
    """A permitted difference."""

    name: str
    make: Callable[[Lab], None]
    base: str = "images"
    seeds: tuple[int, ...] = ()
    """Of the trainings that no other has."""

    @property
    def id(self) -> str:
        return self.name


MORE = (3, 4, 5, 6, 7)


def more_seeds(lab: Lab) -> None:
    for seed in MORE:
        add_seed(lab, seed)
    lab.after(f"train@{lab.experiment}-{MORE[0]}")


def again(lab: Lab) -> None:
    lab.only(0)
    lab.after("download")


def workers(lab: Lab) -> None:
    lab.only(0)
    edit_yaml(lab.root / "params.yaml", lambda content: content["cluster"].update(workers="auto"))
    name = f"{lab.experiment}-0"
    (state,) = (lab.root / "runs").glob(f"{name}-*/checkpoints")
    shutil.rmtree(state)
    with patch.object(os, "sched_getaffinity", lambda _: {0, 1}):
        lab.after("train")
    if not numbers(state):
        raise ValueError(f"{name} was not trained again")


def processor(lab: Lab) -> None:
    """Trained and evaluated on a processor whose sums have other last digits."""
    lab.only(0)

    tools.rename_processor(lab, 0)
    noise = np.random.default_rng(0)

    def flipped(record: Any) -> None:
        for layer in record["firing"].values():
            layer["rate"] = [rate * (1 + 3e-4 * noise.standard_normal()) for rate in layer["rate"]]

    edit_json(lab.root / "results" / lab.experiment / "0.json", flipped, lines=True)

    def other(made: Predictions) -> Predictions:
        scale = (1 + 1e-6 * noise.standard_normal(made.voltage.shape)).astype(np.float32)
        return replace(made, voltage=made.voltage * scale)

    tools.change_predictions(lab.artifacts(0), other)
    tools.score_again(lab, 0)


def trained_with(lab: Lab, **values: Any) -> None:
    lab.only(0)
    edit_yaml(lab.root / "params.yaml", lambda content: _training(content, lab).update(values))
    lab.after("train")


def _training(content: Any, lab: Lab) -> Any:
    return content["experiments"][lab.experiment]["training"]


def compressed(lab: Lab) -> None:
    lab.only(0)
    edit_yaml(
        lab.root / "params.yaml", lambda content: content["datasets"]["digits"]["preprocess"].update(compression="zstd")
    )
    lab.after("preprocess")


def recorded(lab: Lab) -> None:
    tools.leave_to_earlier(lab, 1, 2)
    lab.stage("report")


def signed(lab: Lab) -> None:
    sign(lab.report, lab.root / "key")
    lab.key = lab.root / "key.pub"


HONEST = [
    Honest(name="as it was made, copied to another folder", make=lambda lab: None, seeds=(0, 1, 2)),
    Honest(name="recordings, as it was made, copied to another folder", make=lambda lab: None, base="events"),
    Honest(name="five more seeds", make=more_seeds, seeds=MORE),
    Honest(name="two threads", make=workers),
    Honest(name="another processor: other last digits", make=processor),
    Honest(name="every stage run again", make=again),
    Honest(name="shards compressed", make=compressed),
    Honest(
        name="the best epoch on a validation split",
        make=partial(trained_with, selection="best-validation", validation_percent=10),
    ),
    Honest(name="the test set not scored after each epoch", make=partial(trained_with, test_each_epoch=False)),
    Honest(name="two seeds recorded by an earlier profile, with their answers", make=recorded),
    Honest(name="signed, and the reader names the key", make=signed),
]
