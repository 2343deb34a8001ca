"""The faults: each takes a clean repository and makes it wrong in one way, as a slip or as a forger would."""

import base64
import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.faults import tools
from benchmarks.faults.lab import Lab, edit_json, edit_yaml
from benchmarks.faults.tools import Rows
from pipeline import stage
from pipeline.audit.attestation import STATEMENTS, sign
from pipeline.audit.evaluate import Evaluator
from pipeline.audit.predictions import Predictions
from pipeline.data.store import Store


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to be wrong."""

    name: str
    """What it is, as the issue of an auditor names it."""
    form: str
    """How it is planted."""
    anew: bool
    """All digests, and all that follows, are made anew, so that the repository agrees with itself."""
    about: str
    """Regular expression that a line has to match to be about this fault, and not about anything."""
    plant: Callable[[Lab], None]
    base: str = "images"
    """Of which clean repository."""

    @property
    def id(self) -> str:
        return f"{self.name}: {self.form}"


FAULTS: list[Fault] = []
Plant = Callable[[Lab], None]


def fault(name: str, form: str, about: str, *, anew: bool, base: str = "images") -> Callable[[Plant], Plant]:
    def add(plant: Plant) -> Plant:
        FAULTS.append(Fault(name=name, form=form, anew=anew, about=about, plant=plant, base=base))
        return plant

    return add


# Data


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


@fault("label leak", "a pixel says the class; by preprocessing", r"one value of a sample tells the class", anew=True)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.preprocess_wrongly(lab, leak(25))
    lab.after("train")


@fault(
    "label leak",
    "a pixel says the class by 1 of 255 a class",
    r"data again: .*contents\.arrow|data again: .*train\.json",
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
    from pipeline.audit.evaluate import Task

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


@fault("duplicated recordings across splits", "ten, each changed in one pixel", r"data again: .*train", anew=True)
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
    "pipeline/data/scatter.py": [
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


@fault("dropped remainder", "frames made by such code, and all that follows", r"data again: ", anew=True, base="events")
def _(lab: Lab) -> None:
    tools.change_code(lab, NO_REMAINDER)
    in_its_code(lab, "preprocess")


def in_its_code(lab: Lab, first: str) -> None:
    """All stages from this one on, by the changed code of the repository."""
    data, keys = lab.arrow().name, lab.runs
    names = [f"preprocess@{data}"] + [f"{name}@{key}" for key in keys for name in ("train", "evaluate")] + ["report"]
    start = next(place for place, name in enumerate(names) if name.startswith(first))
    said = lab.in_its_code("benchmarks.faults.lab", *names[start:])
    lab.said += [line for line in said.splitlines() if line.startswith(("WARNING: ", "error: "))]


OTHER_PLACES = {
    "pipeline/data/frames.py": [
        ("places.x[_BYTE >> 1] + places.p[_BYTE & 1]", "places.x[_BYTE >> 1] + places.p[1 - (_BYTE & 1)]")
    ]
}
NOT_TURNED = {"pipeline/data/recordings.py": [(", p=1 - recording.p)", ", p=recording.p)")]}


@fault("swapped polarity", "code that counts events of AEDAT 2.0", r"^place: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, OTHER_PLACES)


@fault("swapped polarity", "code that turns CIFAR10-DVS", r"^orientation: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, NOT_TURNED)


@fault("swapped polarity", "frames made by such code, and all that follows", r"data again: ", anew=True, base="events")
def _(lab: Lab) -> None:
    def swap(rows: Rows) -> None:
        for row in (*rows["train"], *rows["test"]):
            row.pixels[:] = row.pixels[:, ::-1].copy()

    tools.preprocess_wrongly(lab, swap)
    lab.after("train")


# Network

CPU, REFERENCE, NEURON = "models/kernels/cpu.py", "models/kernels/reference.py", "models/neuron.py"
TO_ZERO = {
    NEURON: [("membrane - THRESHOLD * spikes.detach()", "membrane * (1 - spikes.detach())")],
    REFERENCE: [
        ("membrane = membrane - THRESHOLD * value", "membrane = membrane * (1 - value)"),
        (
            "membrane = membrane - THRESHOLD * (membrane > THRESHOLD).to(scale.dtype)",
            "membrane = membrane * (membrane <= THRESHOLD).to(scale.dtype)",
        ),
    ],
    CPU: [
        (
            "membrane[i] -= spiked if threshold > nothing else nothing",
            "membrane[i] = nothing if spiked > nothing else membrane[i]",
        ),
        ("membrane[i] = excess if excess > nothing", "membrane[i] = nothing if excess > nothing"),
    ],
}
AT_EQUALITY = {
    NEURON: [("(excess > 0)", "(excess >= 0)")],
    REFERENCE: [
        ("value = (membrane > THRESHOLD)", "value = (membrane >= THRESHOLD)"),
        ("THRESHOLD * (membrane > THRESHOLD)", "THRESHOLD * (membrane >= THRESHOLD)"),
    ],
    CPU: [
        ("spiked = threshold if membrane[i] > threshold", "spiked = threshold if membrane[i] >= threshold"),
        (
            "membrane[i] -= threshold if membrane[i] > threshold",
            "membrane[i] -= threshold if membrane[i] >= threshold",
        ),
        ("excess if excess > nothing else", "excess if excess >= nothing else"),
    ],
}
NO_BIASES = {
    "models/normalization.py": [
        ("return self.gain * self.scale, self.bias\n", "return self.gain * self.scale, 0 * self.bias\n")
    ]
}
EDITS = [NO_REMAINDER, OTHER_PLACES, NOT_TURNED, TO_ZERO, AT_EQUALITY, NO_BIASES]
"""All passages of code that faults replace."""


def trained_by(lab: Lab, edits: dict[str, list[tuple[str, str]]]) -> None:
    """Code is changed, and everything from the training on is made by it."""
    lab.only(0)
    tools.change_code(lab, edits)
    in_its_code(lab, "train")
    shutil.rmtree(lab.root / "models")  # what is published is the code as it was
    shutil.rmtree(lab.root / "pipeline")
    for room in ("models", "pipeline"):
        (lab.root / room).symlink_to((lab.clean / room).resolve())


def same_identity(lab: Lab) -> None:
    """The training gets the name that the published code would have given it."""
    lab.only(0)
    name = tools.job_of(lab, 0).identity
    tools.change_config(lab, 0, lambda config: config.update(identity=name))
    result = lab.root / "results" / lab.experiment / "0.json"
    edit_json(result, lambda record: record["digests"].update(identity=name), lines=True)
    lab.mend()
    lab.stage("report")


@fault("wrong reset", "to zero, in the code", r"^reset: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, TO_ZERO)


@fault("wrong reset", "trained and evaluated by such code", r"predictions again: .*other voltages", anew=True)
def _(lab: Lab) -> None:
    trained_by(lab, TO_ZERO)
    same_identity(lab)


@fault("removed biases", "in the code", r"^bias: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, NO_BIASES)


@fault(
    "removed biases",
    "trained and evaluated by such code",
    r"layers have only biases of 0",
    anew=True,
)
def _(lab: Lab) -> None:
    trained_by(lab, NO_BIASES)
    same_identity(lab)


@fault(
    "removed biases",
    "set to zero in the weights, before evaluating",
    r"evaluate@.*model\.safetensors.*as train@",
    anew=False,
)
def _(lab: Lab) -> None:
    lab.only(0)
    without_biases(lab)
    lab.after("evaluate")


@fault(
    "removed biases",
    "set to zero in the weights, before evaluating",
    r"lab-weights: verdict DIFFERS|layers have only biases of 0",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    without_biases(lab)
    lab.mend()
    lab.after("evaluate")


def without_biases(lab: Lab) -> None:
    weights = tools.get_weights(lab, 0)
    for name in weights:
        if name.endswith("norm.bias"):
            weights[name].zero_()
    tools.put_weights(lab, 0, weights)


@fault("a threshold that fires on equality", "in the code", r"^threshold: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, AT_EQUALITY)


@fault(
    "a threshold that fires on equality",
    "trained and evaluated by such code, published under its name",
    r"trained by other code or torch|^predictions again",
    anew=True,
)
def _(lab: Lab) -> None:
    trained_by(lab, AT_EQUALITY)


@fault(
    "a threshold that fires on equality",
    "the same, published under the name of the right code",
    r"predictions again|training again",
    anew=True,
)
def _(lab: Lab) -> None:
    trained_by(lab, AT_EQUALITY)
    same_identity(lab)


# Training


@fault(
    "stale checkpoint",
    "weights of another training in the place of these",
    r"evaluate@.*model\.safetensors.*as train@",
    anew=False,
)
def _(lab: Lab) -> None:
    lab.only(0, 1)
    shutil.copy(lab.artifacts(1) / "model.safetensors", lab.artifacts(0))
    lab.after("evaluate")


@fault(
    "stale checkpoint",
    "weights of the first epoch as those of the last",
    r"selection: .*as the predictions give",
    anew=True,
)
def _(lab: Lab) -> None:
    stale(lab, 1)


@fault(
    "stale checkpoint", "the same, in a training whose digest is claimed", r"lab-weights: verdict DIFFERS", anew=True
)
def _(lab: Lab) -> None:
    stale(lab, 0)


@fault(
    "stale checkpoint",
    "the same, the history's last score made to fit",
    r"training again: .*model\.safetensors",
    anew=True,
)
def _(lab: Lab) -> None:
    stale(lab, 1)
    fit_history(lab, 1)


def stale(lab: Lab, seed: int) -> None:
    lab.only(seed)
    tools.put_weights(lab, seed, tools.epochs_of(lab, seed)[0])
    lab.mend()
    lab.after("evaluate")


def fit_history(lab: Lab, seed: int) -> None:
    """The last row says what the predictions give."""
    result = json.loads((lab.root / "results" / lab.experiment / f"{seed}.json").read_text(encoding="utf-8"))
    rows = tools.history(lab.artifacts(seed))
    rows[-1]["test_accuracy_authors"] = str(result["protocols"]["full_batches_only"])
    tools.write_history(lab.artifacts(seed), rows)
    tools.score_again(lab, seed)


@fault(
    "test-set selection reported as ours",
    "the best epoch on the test set as the last",
    r"selection: .*as the predictions give|its history says",
    anew=True,
)
def _(lab: Lab) -> None:
    best_on_test(lab)


@fault(
    "test-set selection reported as ours",
    "the same, the test scores taken out of the history",
    r"training again: .*model\.safetensors",
    anew=True,
)
def _(lab: Lab) -> None:
    seed = best_on_test(lab)

    def unscored(values: Any) -> None:
        values["training"]["test_each_epoch"] = False

    edit_yaml(lab.root / "params.yaml", lambda content: unscored(content["experiments"][lab.experiment]))
    tools.change_config(lab, seed, unscored)
    result = lab.root / "results" / lab.experiment / f"{seed}.json"
    edit_json(result, unscored, lines=True)
    rows = [row | {"test_accuracy_authors": ""} for row in tools.history(lab.artifacts(seed))]
    tools.write_history(lab.artifacts(seed), rows)
    name = tools.job_of(lab, seed).identity
    tools.change_config(lab, seed, lambda config: config.update(identity=name))
    edit_json(result, lambda record: record["digests"].update(identity=name), lines=True)
    for kind in ("train", "evaluate", "report"):
        path = next((lab.root / "runs" / "records").glob(f"{kind}*.json"))
        edit_json(path, lambda record: _unscore(record["parameters"]))
    tools.score_again(lab, seed)


def _unscore(parameters: Any) -> None:
    if isinstance(parameters, dict):
        if "test_each_epoch" in parameters:
            parameters["test_each_epoch"] = False
        for value in parameters.values():
            _unscore(value)


def best_on_test(lab: Lab) -> int:
    """Takes the first seed whose best epoch on the test set is not its last; gives it."""
    for seed in (1, 2, *range(3, 12)):
        if seed > 2:
            add_seed(lab, seed)
            for name in ("train", "evaluate"):
                lab.stage(f"{name}@{lab.experiment}-{seed}")
        scores = tools.test_scores(lab.artifacts(seed))
        best = scores.index(max(scores))
        if best < len(scores) - 1:
            break
    tools.put_weights(lab, seed, tools.epochs_of(lab, seed)[best])
    lab.only(seed)
    lab.mend()
    lab.after("evaluate")
    return seed


def add_seed(lab: Lab, seed: int) -> None:
    experiment, dataset = lab.experiment, lab.arrow().name
    run = {"experiment": experiment, "dataset": dataset, "seed": seed}
    edit_yaml(lab.root / "params.yaml", lambda content: content["runs"].update({f"{experiment}-{seed}": run}))


@fault("duplicated seed", "the files of seed 1 copied to seed 2", r"configuration: .*(seed)", anew=False)
def _(lab: Lab) -> None:
    shutil.rmtree(lab.artifacts(2))
    shutil.copytree(lab.artifacts(1), lab.artifacts(2))
    shutil.copy(lab.root / "results" / lab.experiment / "1.json", lab.root / "results" / lab.experiment / "2.json")
    edit_json(lab.root / "results" / lab.experiment / "2.json", lambda record: record.update(seed=2), lines=True)
    lab.mend()
    lab.stage("report")


@fault("duplicated seed", "the weights of seed 1 as those of seed 2", r"have the same model", anew=True)
def _(lab: Lab) -> None:
    tools.put_weights(lab, 2, tools.get_weights(lab, 1))
    as_seed_two(lab)


@fault(
    "duplicated seed", "the weights of seed 1, with noise, as those of seed 2", r"seeds: .*a correlation of", anew=True
)
def _(lab: Lab) -> None:
    tools.put_weights(lab, 2, tools.noisy(tools.get_weights(lab, 1)))
    as_seed_two(lab)


def as_seed_two(lab: Lab) -> None:
    rows = [row | {"train_loss": str(float(row["train_loss"]) + 1e-4)} for row in tools.history(lab.artifacts(1))]
    tools.write_history(lab.artifacts(2), rows)
    lab.mend()
    lab.after("evaluate")


@fault("missing cell of the grid", "a result deleted", r"error: report: .*results/.*not found", anew=False)
def _(lab: Lab) -> None:
    (lab.root / "results" / lab.experiment / "1.json").unlink()
    lab.stage("report")


@fault(
    "missing cell of the grid",
    "a seed between others taken out everywhere",
    r"no result of seed 1, but of seed 2",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0, 2)
    lab.stage("report")


@fault("missing cell of the grid", "the last seed taken out everywhere", r"no result of seed 2", anew=True)
def _(lab: Lab) -> None:
    lab.only(0, 1)
    lab.stage("report")


@fault(
    "a shortened run renamed",
    "one epoch under the name of the experiment",
    r"lab-accuracy: verdict NOT COMPARABLE.*training\.epochs is 1",
    anew=True,
)
def _(lab: Lab) -> None:
    shortened(lab)


@fault(
    "a shortened run renamed", "and it is said to have all epochs", r"history: .*expected the epochs 1 to", anew=True
)
def _(lab: Lab) -> None:
    say_all_epochs(lab, shortened(lab))


@fault("a shortened run renamed", "and the history gets invented rows", r"training again: ", anew=True)
def _(lab: Lab) -> None:
    epochs = shortened(lab)
    (row,) = tools.history(lab.artifacts(1))
    rows = [
        row | {"epoch": str(epoch + 1), "train_accuracy": str(float(row["train_accuracy"]) - 2 * (epochs - epoch - 1))}
        for epoch in range(epochs)
    ]
    tools.write_history(lab.artifacts(1), rows)
    say_all_epochs(lab, epochs)


def shortened(lab: Lab) -> int:
    """Gives the number of epochs that it should have had."""
    lab.only(1)
    experiment = tools.job_of(lab, 1).training.epochs
    edit_yaml(lab.root / "params.yaml", lambda content: set_epochs(content, lab.experiment, 1))
    lab.after("train")
    return experiment


def set_epochs(content: Any, experiment: str, epochs: int) -> None:
    content["experiments"][experiment]["training"]["epochs"] = epochs


def say_all_epochs(lab: Lab, epochs: int) -> None:
    edit_yaml(lab.root / "params.yaml", lambda content: set_epochs(content, lab.experiment, epochs))
    name = tools.job_of(lab, 1).identity

    def change(values: Any) -> None:
        values["training"]["epochs"] = epochs
        values.get("digests", values)["identity"] = name  # of a result, of a configuration

    tools.change_config(lab, 1, change)
    edit_json(lab.root / "results" / lab.experiment / "1.json", change, lines=True)
    tools.score_again(lab, 1)


# Names and versions


@fault(
    "another dataset under the claim's name",
    "digits called cifar10",
    r"cifar10-accuracy: verdict NOT .*cifar10/0\.json of Digits",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    old = lab.experiment

    def rename(content: Any) -> None:
        content["datasets"] = {"cifar10": content["datasets"][old]}
        content["experiments"] = {"cifar10": content["experiments"][old] | {"dataset": "cifar10"}}
        content["runs"] = {"cifar10-0": {"experiment": "cifar10", "dataset": "cifar10", "seed": 0}}

    edit_yaml(lab.root / "params.yaml", rename)
    for folder in ("data", "artifacts", "results/digits", "runs", "report"):
        shutil.rmtree(lab.root / folder, ignore_errors=True)
    (lab.root / "data" / "arrow" / "cifar10").mkdir(parents=True)
    lab.after("download")


@fault(
    "another dataset under the claim's name",
    "`title: CIFAR-10` in params.yaml",
    r"title.*(has its name from the catalog|published)",
    anew=False,
)
def _(lab: Lab) -> None:
    edit_yaml(
        lab.root / "params.yaml", lambda content: content["datasets"]["digits"]["download"].update(title="CIFAR-10")
    )


@fault(
    "another dataset under the claim's name",
    "what was downloaded says that it is CIFAR-10",
    r"raw data: .*title Digits",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    edit_json(lab.root / "data" / "raw" / "digits" / "SOURCE.json", lambda source: source.update(title="CIFAR-10"))
    lab.mend()
    lab.after("preprocess")


@fault("a changed package", "trained with another torch", r"packages differ: torch 2\.9\.0", anew=False)
def _(lab: Lab) -> None:
    with_other_torch(lab)


@fault("a changed package", "the same, its stage says otherwise", r"packages: .*expected torch", anew=True)
def _(lab: Lab) -> None:
    with_other_torch(lab)
    hide_version(lab)
    lab.mend()
    lab.stage("report")


@fault("a changed package", "the same, and the weights say otherwise too", r"trained by other code or torch", anew=True)
def _(lab: Lab) -> None:
    platform = json.loads((lab.artifacts(0) / "config.json").read_text(encoding="utf-8"))["platforms"]
    with_other_torch(lab)
    hide_version(lab)
    tools.change_config(lab, 0, lambda config: config.update(platforms=platform))
    edit_json(
        lab.root / "results" / lab.experiment / "0.json", lambda record: record.update(platforms=platform), lines=True
    )
    lab.mend()
    lab.stage("report")


def with_other_torch(lab: Lab) -> None:
    lab.only(0)
    other = stage.packages() | {"torch": "2.9.0"}
    with patch.object(torch, "__version__", "2.9.0"), patch.object(stage, "packages", lambda: other):
        lab.stage(lab_run("train", lab))
    lab.after("evaluate")


def lab_run(kind: str, lab: Lab) -> str:
    return f"{kind}@{lab.experiment}-0"


def hide_version(lab: Lab) -> None:
    path = lab.root / "runs" / "records" / f"{lab_run('train', lab)}.json"
    edit_json(path, lambda record: record.update(packages=stage.packages()))


@fault(
    "a changed package",
    "a tonic that keeps the remainder of events",
    r"^tonic-remainder: .*gives 7, pinned 6",
    anew=False,
)
def _(lab: Lab) -> None:
    import tonic.transforms

    def keeping(**_: object) -> Any:
        return lambda events: np.ones((len(events), 1))

    lab.library = lambda: patch.object(tonic.transforms, "ToFrame", keeping)


# Results


@fault("edited metrics", "more correct samples in the result", r"files: evidence/results/.*SHA-256", anew=False)
def _(lab: Lab) -> None:
    edit_json(lab.report / "evidence" / "results" / lab.experiment / "0.json", more_correct, lines=True)


@fault(
    "edited metrics", "more correct samples in the result", r"predictions: .*test/correct \d+, derived from", anew=True
)
def _(lab: Lab) -> None:
    edit_json(lab.root / "results" / lab.experiment / "0.json", more_correct, lines=True)
    lab.mend()
    lab.stage("report")


def more_correct(record: Any) -> None:
    record["test"]["correct"] += 10


@fault("edited predictions", "wrong answers made right", r"files: .*predictions\.parquet.*SHA-256", anew=False)
def _(lab: Lab) -> None:
    better(lab.report / "evidence" / "artifacts" / lab.experiment / "0")


@fault("edited predictions", "wrong answers made right", r"selection: .*as the predictions give", anew=True)
def _(lab: Lab) -> None:
    better(lab.artifacts(0))
    tools.score_again(lab, 0)


@fault(
    "edited predictions",
    "the same, the history's last score made to fit",
    r"predictions again: .*other voltages for \d+",
    anew=True,
)
def _(lab: Lab) -> None:
    better(lab.artifacts(0))
    tools.score_again(lab, 0)
    fit_history(lab, 0)


@fault("edited predictions", "the label of a wrong answer changed instead", r"split: .*labels/", anew=True)
def _(lab: Lab) -> None:
    def relabel(made: Predictions) -> Predictions:
        return replace(made, labels=made.voltage[:, -1].argmax(1).astype(np.int64))

    tools.change_predictions(lab.artifacts(0), relabel)
    tools.score_again(lab, 0)


@fault(
    "edited predictions",
    "outputs that are not numbers, which argmax takes for the highest",
    r"predictions: .*numbers for every sample",
    anew=True,
)
def _(lab: Lab) -> None:
    def nothing(made: Predictions) -> Predictions:
        voltage = made.voltage.copy()
        voltage[np.arange(len(voltage)), -1, made.labels] = np.nan
        return replace(made, voltage=voltage)

    tools.change_predictions(lab.artifacts(0), nothing)
    tools.score_again(lab, 0)


def better(folder: Path) -> None:
    tools.change_predictions(folder, lambda made: replace(made, voltage=tools.right_answers(made, 0.99)))


@fault(
    "a rounding in our favour",
    "an accuracy on the page rounded up",
    r"page: index\.html: expected [\d.]+ for results/.*top1_percent",
    anew=True,
)
def _(lab: Lab) -> None:
    round_up(lab.report / "index.html")
    lab.mend_report()


@fault(
    "a rounding in our favour",
    "an accuracy on the page rounded up",
    r"files: index\.html: expected SHA-256",
    anew=False,
)
def _(lab: Lab) -> None:
    round_up(lab.report / "index.html")


@fault("a rounding in our favour", "the result's percentage rounded up", r"predictions: .*test/top1_percent", anew=True)
def _(lab: Lab) -> None:
    def up(record: Any) -> None:
        record["test"]["top1_percent"] = math.ceil(record["test"]["top1_percent"] * 10) / 10

    edit_json(lab.root / "results" / lab.experiment / "0.json", up, lines=True)
    lab.mend()
    lab.stage("report")


@fault(
    "a rounding in our favour",
    "the paper's 94.14 % printed as 94 %",
    r"claims: .*cifar10-accuracy/(printed|value|precision)|claims: .*cifar10-accuracy",
    anew=True,
)
def _(lab: Lab) -> None:
    change_claim(lab, "cifar10-accuracy", printed="94 %")


@fault(
    "a rounding in our favour", "a claim's margin made wider after the run", r"claims: .*lab-accuracy/margin", anew=True
)
def _(lab: Lab) -> None:
    change_claim(lab, "lab-accuracy", margin=30.0)


def change_claim(lab: Lab, name: str, **values: Any) -> None:
    def change(content: Any) -> None:
        next(claim for claim in content["claims"] if claim["id"] == name).update(values)

    edit_yaml(lab.root / "paper" / "claims.yaml", change)
    lab.stage("report")


def round_up(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(r'(/0/test/top1_percent">)([\d.]+)<')
    assert pattern.search(text), "the page prints an accuracy"
    page.write_text(
        pattern.sub(lambda found: f"{found[1]}{math.ceil(float(found[2]) + 0.01) - 0.01:.2f}<", text), encoding="utf-8"
    )


@fault(
    "a verdict changed",
    "REPRODUCED in audit.json and on the page",
    r"verdicts: .*cifar10-accuracy/verdict NOT RUN",
    anew=True,
)
def _(lab: Lab) -> None:
    def claim(content: Any) -> None:
        next(one for one in content["claims"] if one["id"] == "cifar10-accuracy").update(verdict="REPRODUCED")

    edit_json(lab.report / "evidence" / "results" / "audit.json", claim)
    lab.mend_report()


# The chain


@fault(
    "a broken chain link",
    "preprocessing done again, otherwise, after the training",
    r"train@.*as preprocess@",
    anew=False,
)
def _(lab: Lab) -> None:
    edit_yaml(
        lab.root / "params.yaml", lambda content: content["datasets"]["digits"]["preprocess"].update(compression="zstd")
    )
    lab.stage("preprocess@digits")
    lab.stage("report")


@fault(
    "a broken chain link",
    "the record of a stage removed",
    r"train@.*expected a record of what the stage read",
    anew=True,
)
def _(lab: Lab) -> None:
    (lab.root / "runs" / "records" / f"{lab_run('train', lab)}.json").unlink()
    lab.stage("report")


@fault("a broken chain link", "other raw data in the checkout", r"data and weights: .*digits\.csv\.gz", anew=False)
def _(lab: Lab) -> None:
    with (lab.root / "data" / "raw" / "digits" / "digits.csv.gz").open("ab") as file:
        file.write(b"\0")


@fault("a forged signature", "a bit of it flipped", r"signatures: .*a forged signature", anew=False)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "key")
    path = lab.report / STATEMENTS / f"{lab_run('train', lab)}.dsse.json"

    def flip(content: Any) -> None:
        raw = bytearray(base64.b64decode(content["signatures"][0]["sig"]))
        raw[0] ^= 1
        content["signatures"][0]["sig"] = base64.b64encode(raw).decode()

    edit_json(path, flip)


@fault(
    "a forged signature",
    "over other bytes, kept beside an edited result",
    r"signatures: .*a signature over other bytes",
    anew=True,
)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "key")
    edit_json(lab.report / "evidence" / "results" / lab.experiment / "0.json", more_correct, lines=True)
    lab.mend_report()


@fault(
    "a forged signature",
    "by another key; the reader names the right one",
    r"signatures: .*found signatures of",
    anew=True,
)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "other")
    lab.key = lab.root / "key.pub"


@fault("a forged signature", "by another key; the reader names none", r"signatures: ", anew=True)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "other")
