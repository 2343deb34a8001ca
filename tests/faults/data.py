"""Faults of the data: training data, test data, and the conversion of recordings to frames."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from pipeline.data.store import Store
from pipeline.evaluate.evaluate import Evaluator
from pipeline.evaluate.predictions import Predictions
from tests.faults import tools
from tests.faults.fault import Fault, add
from tests.faults.lab import Lab, edit_yaml
from tests.faults.tools import Rows, fit_history, in_its_code

FAULTS: list[Fault] = []
fault = partial(add, FAULTS)


def leak(strength: int) -> Callable[[Rows], None]:
    """The first pixel says the class."""

    def change(rows: Rows) -> None:
        for row in (*rows["train"], *rows["test"]):
            row.pixels[..., 0, 0] = strength * row.label

    return change


@fault(
    "label leak", "a pixel says the class; shards changed after preprocessing", r"train@.*as preprocess@", anew=False
)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.rewrite_shards(lab.arrow(), leak(25))
    lab.after("train")


@fault(
    "label leak",
    "a pixel says the class; by preprocessing",
    r"one value of a sample reveals the class|title: .*digest",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.preprocess_wrongly(lab, leak(25))
    lab.after("train")


@fault(
    "label leak",
    "a pixel says the class by 1 of 255 a class",
    r"data again: .*contents\.arrow|data again: .*train\.json|title: .*digest",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.preprocess_wrongly(lab, leak(1))
    lab.after("train")


@fault(
    "train used as test",
    "training samples evaluated under their own names",
    r"split: .*ids of the test split",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    train = Store(lab.arrow(), "train")
    count = len(Store(lab.arrow(), "test"))
    voltage = outputs_on(lab, train, np.arange(count))
    tools.change_predictions(
        lab.artifacts(0),
        lambda made: replace(made, ids=train.ids[:count], labels=train.labels[:count], voltage=voltage),
    )
    tools.rename_examples(lab.artifacts(0), train.ids)
    tools.score_again(lab, 0)


@fault(
    "train used as test",
    "preprocessing puts training samples into the test split",
    r"test samples are also in train",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)

    def change(rows: Rows) -> None:
        names = [row.id for row in rows["test"]]
        rows["test"] = [replace(row, id=name) for row, name in zip(rows["train"], names, strict=False)]

    tools.preprocess_wrongly(lab, change)
    lab.after("train")


@fault(
    "train used as test",
    "training samples evaluated under the names of test samples",
    r"predictions again: .*other voltages",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    train, test = Store(lab.arrow(), "train"), Store(lab.arrow(), "test")
    chosen = [np.flatnonzero(train.labels == label) for label in range(len(test.classes))]
    taken = np.array([chosen[label][place % len(chosen[label])] for place, label in enumerate(test.labels)])
    voltage = outputs_on(lab, train, taken)
    tools.change_predictions(lab.artifacts(0), lambda made: replace(made, voltage=voltage))
    tools.score_again(lab, 0)
    fit_history(lab, 0)


def outputs_on(lab: Lab, store: Store, samples: "np.ndarray[Any, Any]") -> tools.Voltage:
    """The outputs of seed 0 on samples of any split."""
    from pipeline.evaluate.evaluate import Task

    task = Task(
        model=lab.artifacts(0) / "model.safetensors", data=lab.arrow(), training=tools.job_of(lab, 0).training, seed=0
    )
    worker = Evaluator(task, "cpu")
    worker.store = store
    with patch.object(Task, "batches", lambda task, number: np.array_split(samples, 10)):
        return np.concatenate([worker.see(index).voltage for index in range(10)])


def copies(rows: Rows, stray: int) -> None:
    """Ten test samples stand among the training samples too."""
    for place in range(10):
        pixels = rows["test"][place].pixels.copy()
        pixels[..., -1, -1] += np.array(stray, pixels.dtype)
        rows["train"][place] = replace(rows["train"][place], pixels=pixels, label=rows["test"][place].label)


@fault(
    "duplicated recordings across splits",
    "ten test samples trained on too",
    r"test samples are also in train",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.preprocess_wrongly(lab, lambda rows: copies(rows, 0))
    lab.after("train")


@fault(
    "duplicated recordings across splits",
    "ten, each changed in one pixel",
    r"data again: .*train|title: .*digest",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.preprocess_wrongly(lab, lambda rows: copies(rows, 1))
    lab.after("train")


@fault(
    "duplicated recordings across splits",
    "in a user's own raw data, each copy an event shorter",
    r"are also in|data again",
    anew=True,
    base="events",
)
def _(lab: Lab) -> None:
    own, name = lab.root / "own", lab.arrow().name
    shutil.copytree(lab.root / "data" / "raw" / name, own, ignore=shutil.ignore_patterns("*.json"))
    for label in sorted(path for path in own.iterdir() if path.is_dir()):
        tested = sorted(label.iterdir())[4]  # every fifth tests
        (label / "z.aedat").write_bytes(tested.read_bytes()[:-8])
    download = {"catalog": "recordings", "source": str(own), "title": "Own recordings"}
    edit_yaml(lab.root / "params.yaml", lambda content: content["datasets"][name].update(download=download))
    lab.after("download")


@fault(
    "dropped remainder",
    "the last partial test batch left out of the predictions",
    r"split: .*ids of the test split",
    anew=True,
)
def _(lab: Lab) -> None:
    size = 2 * tools.job_of(lab, 0).training.batch_size

    def drop(made: Predictions) -> Predictions:
        end = len(made.ids) // size * size
        return replace(made, ids=made.ids[:end], labels=made.labels[:end], voltage=made.voltage[:end])

    tools.change_predictions(lab.artifacts(0), drop)
    tools.score_again(lab, 0)


NO_REMAINDER = {
    "pipeline/preprocess/scatter.py": [
        ("stop = number if t + u64(1) == u64(len(frames)) else (t + u64(1)) * each", "stop = (t + u64(1)) * each"),
        ("stop = u64(len(x)) if t + u64(1) == u64(len(frames)) else (t + u64(1)) * each", "stop = (t + u64(1)) * each"),
    ]
}


@fault(
    "dropped remainder",
    "framing code drops the remainder of the events",
    r"^remainder: .*gives \[2, 2, 2\]",
    anew=False,
)
def _(lab: Lab) -> None:
    tools.change_code(lab, NO_REMAINDER)


UNCOUNTED = {
    "pipeline/data/counts.py": [("    rest: dict[str, int] = {}\n", "    return\n    rest: dict[str, int] = {}\n")]
}
"""Otherwise the stage ends: an event came in that was neither used nor left out."""


@fault(
    "dropped remainder",
    "frames made by such code that does not count events either, and all that follows",
    r"data again: ",
    anew=True,
    base="events",
)
def _(lab: Lab) -> None:
    tools.change_code(lab, NO_REMAINDER | UNCOUNTED)
    in_its_code(lab, "preprocess")


OTHER_PLACES = {
    "pipeline/preprocess/frames.py": [
        ("places.x[_BYTE >> 1] + places.p[_BYTE & 1]", "places.x[_BYTE >> 1] + places.p[1 - (_BYTE & 1)]")
    ]
}
NOT_TURNED = {"pipeline/preprocess/recordings.py": [(", p=1 - recording.p)", ", p=recording.p)")]}


@fault("swapped polarity", "code that counts events of AEDAT 2.0", r"^place: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, OTHER_PLACES)


@fault("swapped polarity", "code that turns CIFAR10-DVS", r"^orientation: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, NOT_TURNED)


@fault(
    "swapped polarity",
    "frames made by such code, and all that follows",
    r"data again: |title: .*digest",
    anew=True,
    base="events",
)
def _(lab: Lab) -> None:
    def swap(rows: Rows) -> None:
        for row in (*rows["train"], *rows["test"]):
            row.pixels[:] = row.pixels[:, ::-1].copy()

    tools.preprocess_wrongly(lab, swap)
    lab.after("train")
