"""Faults of the results: changed predictions, records, claims and pages."""

import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate.answers import ANSWERS, read_answers
from pipeline.evaluate.predictions import Predictions, read_predictions
from pipeline.evaluate.record import read_record
from pipeline.judge.answered import answers_path
from tests.faults import tools
from tests.faults.fault import Fault, add
from tests.faults.lab import Lab, edit_json, edit_yaml
from tests.faults.tools import fit_history, more_correct
from tests.judge.recorded import write_with

FAULTS: list[Fault] = []
fault = partial(add, FAULTS)


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


@fault(
    "edited predictions",
    "three wrong answers made right, and another processor's name",
    r"3 of \d+ answers differ from the stated ones|verdict again: ",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    tools.rename_processor(lab, 0)
    path = lab.artifacts(0) / "predictions.parquet"
    made = read_predictions(path)
    right = (made.voltage[:, -1].argmax(1) == made.labels).sum()
    voltage = tools.right_answers(made, (right + 3) / len(made.labels))
    tools.change_predictions(lab.artifacts(0), lambda made: replace(made, voltage=voltage))
    tools.score_again(lab, 0)
    fit_history(lab, 0)


@fault(
    "edited metrics",
    "spike rates divided by ten, and another processor's name",
    r"predictions again: .*firing/",
    anew=True,
)
def _(lab: Lab) -> None:
    def fewer(record: Any) -> None:
        for layer in record["firing"].values():
            layer["rate"] = [rate / 10 for rate in layer["rate"]]

    lab.only(0)
    tools.rename_processor(lab, 0)
    edit_json(lab.root / "results" / lab.experiment / "0.json", fewer, lines=True)
    tools.score_again(lab, 0)


@fault("edited metrics", "an invented number of parameters", r"weights: .*parameters \d+, counted", anew=True)
def _(lab: Lab) -> None:
    def fewer(values: Any) -> None:
        values["parameters"] //= 2

    tools.change_config(lab, 0, fewer)
    edit_json(lab.root / "results" / lab.experiment / "0.json", fewer, lines=True)
    lab.mend()
    lab.stage("report")


@fault(
    "edited metrics",
    "a deviation from the authors' numbers that was not measured",
    r"verdict again: .*agreement-frames REPRODUCED",
    anew=True,
)
def _(lab: Lab) -> None:
    def measurement(content: Any) -> None:
        content["claims"]["agreement-frames"] = 1

    lab.only(0)
    edit_json(lab.root / "results" / "agreement.json", measurement)
    lab.mend()
    lab.stage("report")


@fault(
    "invented counts of a recorded run",
    "beside its answers",
    r"error: .*test/correct is \d+, .*answers\.parquet gives \d+",
    anew=True,
)
def _(lab: Lab) -> None:
    tools.leave_to_earlier(lab, 1)
    edit_json(lab.root / "results" / lab.experiment / "1.json", more_correct, lines=True)
    lab.stage("report")


@fault(
    "invented counts of a recorded run",
    "beside its answers, in the report alone",
    r"test/correct is \d+, .*answers\.parquet gives \d+",
    anew=True,
)
def _(lab: Lab) -> None:
    tools.leave_to_earlier(lab, 1)
    lab.stage("report")
    edit_json(lab.report / "evidence" / "results" / lab.experiment / "1.json", more_correct, lines=True)
    lab.mend_report()


@fault("invented counts of a recorded run", "without answers", r"do not affect verdicts", anew=True)
def _(lab: Lab) -> None:
    tools.leave_to_earlier(lab, 1)
    (lab.root / "results" / lab.experiment / "1" / ANSWERS).unlink()
    edit_json(lab.root / "results" / lab.experiment / "1.json", more_correct, lines=True)
    lab.stage("report")


@fault(
    "invented counts of a recorded run",
    "with answers that give them",
    r"answers.*not those of|test/correct \d+",
    anew=True,
)
def _(lab: Lab) -> None:
    tools.leave_to_earlier(lab, 1)
    record = read_record(lab.root / "results" / lab.experiment / "1.json")
    _, answers = read_answers(lab.root / answers_path(record))
    steps = answers.steps.copy()
    steps[:50] = answers.labels[:50, None]
    write_with(lab.root, record, replace(answers, steps=steps))
    lab.stage("report")


def better(folder: Path) -> None:
    tools.change_predictions(folder, lambda made: replace(made, voltage=tools.right_answers(made, 0.99)))


@fault(
    "a rounding in our favour",
    "an accuracy on the page rounded up",
    r"page: index\.html: expected line .* %",
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
    lab.after("agreement")  # it reads the claims


def round_up(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(r'(data-name="accuracy"[^>]*>)([\d.]+) %')
    assert pattern.search(text), "the page prints an accuracy"
    page.write_text(
        pattern.sub(lambda found: f"{found[1]}{math.ceil(float(found[2]) + 0.01) - 0.01:.2f} %", text), encoding="utf-8"
    )


@fault(
    "a verdict changed",
    "REPRODUCED in audit.json and on the page",
    r"page: audit\.json: expected line .*NOT RUN.*found .*REPRODUCED",
    anew=True,
)
def _(lab: Lab) -> None:
    def claim(content: Any) -> None:
        next(one for one in content["claims"] if one["id"] == "cifar10-accuracy").update(verdict="REPRODUCED")

    edit_json(lab.report / "audit.json", claim)
    lab.mend_report()
