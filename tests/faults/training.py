"""Faults of the training: seeds, epochs or settings that differ from the reported ones."""

import shutil
from functools import partial
from typing import Any

from tests.faults import tools
from tests.faults.fault import Fault, add
from tests.faults.lab import Lab, edit_json, edit_yaml
from tests.faults.tools import add_seed, fit_history

FAULTS: list[Fault] = []
fault = partial(add, FAULTS)


@fault(
    "stale checkpoint",
    "weights of another training in the place of these",
    r"evaluate@.*model\.safetensors.*since the training wrote it",
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
    for kind in ("train", "evaluate"):
        path = next((lab.root / "records").glob(f"{kind}*.json"))
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
    "duplicated seed",
    "the weights of seed 1, with noise of 1e-6, as those of seed 2",
    r"seeds: .*a correlation of",
    anew=True,
)
def _(lab: Lab) -> None:
    tools.put_weights(lab, 2, tools.noisy(tools.get_weights(lab, 1), 1e-6))
    as_seed_two(lab)


@fault(
    "duplicated seed",
    "the weights of seed 1, with noise of 1e-4, as those of seed 2",
    r"seeds: .*a correlation of",
    anew=True,
)
def _(lab: Lab) -> None:
    tools.put_weights(lab, 2, tools.noisy(tools.get_weights(lab, 1), 1e-4))
    as_seed_two(lab)


@fault(
    "duplicated seed",
    "the weights of seed 1, with noise of 0.2 on the readout, as those of seed 2",
    r"seeds: .*a correlation of",
    anew=True,
)
def _(lab: Lab) -> None:
    weights = tools.get_weights(lab, 1)
    readout = {name: value for name, value in weights.items() if name.startswith("readout.")}
    tools.put_weights(lab, 2, weights | tools.noisy(readout, 0.2))
    as_seed_two(lab)


@fault(
    "duplicated seed",
    "the weights of a seed that is not shown, as those of seed 2",
    r"seeds: .*those of seed 1, trained",
    anew=True,
)
def _(lab: Lab) -> None:
    tools.put_weights(lab, 2, tools.get_weights(lab, 1))
    lab.only(2)
    lab.mend()
    lab.after("evaluate")
    fit_history(lab, 2)


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


@fault("a shortened run renamed", "and the history gets invented rows", r"samples_sha256", anew=True)
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
