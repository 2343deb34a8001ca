"""The report's charts as Vega-Lite specifications. Okabe and Ito's colours: colour-blind readers tell them apart.

The description of each says in words what it shows: a reader who does not see it, or has no JavaScript, gets that.
Matrices are kept as a list a row and unfolded in the browser, so a page of many runs stays small.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from pipeline.evaluate.operations import Operations
from pipeline.evaluate.record import Record
from pipeline.judge.audit import Audit
from pipeline.judge.claims import AccuracyClaim
from pipeline.judge.verdicts import Judgement
from pipeline.protocol.bands import Band

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
MOST_NAMED = 20  # squares a side that a screen reader is told one by one
_KIND_COLOURS = {"binary": BLUE, "graded": GREEN, "real": ORANGE}
ROWS = alt.NamedData("rows")
EPOCH = alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False))
CLAIM_TIPS = ["name", "verdict", "value", "estimate", "low", "high"]
Spec = dict[str, Any]

alt.data_transformers.disable_max_rows()


def in_a_chart(value: Any) -> Any:
    """Four digits: more than a picture shows."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def claims_chart(audit: Audit) -> Spec:
    """Every claimed accuracy as a range, ours as a point with its 90 % interval."""
    pairs = zip(audit.claims, audit.judgements, strict=True)
    rows = [_claimed(claim, judgement) for claim, judgement in pairs if isinstance(claim, AccuracyClaim)]
    found = [row for row in rows if row["estimate"] is not None]
    y = alt.Y("name:N", title=None, scale=alt.Scale(domain=[row["name"] for row in rows]))
    about = (
        f"{len(rows)} claimed accuracies as ranges of their margins; {len(found)} of them with what was found, as a "
        "point with its 90 % interval. The table of claims has the numbers."
    )
    return _spec(alt.layer(*_ranges(rows, y), *(_estimates(found, y) if found else ())), about, height=34 * len(rows))


def _claimed(claim: AccuracyClaim, judgement: Judgement) -> dict[str, Any]:
    return {
        "claim": claim.id,
        "name": f"{claim.configuration.dataset.title} {claim.printed}",
        "value": claim.value,
        "start": max(claim.value - claim.margin, 0.0),
        "end": min(claim.value + claim.margin, 100.0),
        "estimate": judgement.estimate,
        "low": judgement.low,
        "high": judgement.high,
        "verdict": judgement.verdict,
    }


def _ranges(rows: list[dict[str, Any]], y: alt.Y) -> tuple[Any, Any]:
    base = alt.Chart(pd.DataFrame(rows)).encode(y=y, tooltip=CLAIM_TIPS)
    axis = alt.X("start:Q", title="accuracy (%)", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8))
    claimed = base.mark_bar(height=16, opacity=0.35, color=ORANGE).encode(x=axis, x2="end:Q")
    return claimed, base.mark_tick(thickness=2, size=16, color=ORANGE).encode(x="value:Q")


def _estimates(found: list[dict[str, Any]], y: alt.Y) -> tuple[Any, Any]:
    base = alt.Chart(pd.DataFrame(found)).encode(y=y, tooltip=CLAIM_TIPS)
    interval = base.mark_rule(strokeWidth=2, color=BLUE).encode(x="low:Q", x2="high:Q")
    return interval, base.mark_point(filled=True, size=70, color=BLUE, opacity=1).encode(x="estimate:Q")


def runs_chart(records: list[Record]) -> Spec:
    """The test accuracy of every run, by experiment."""
    rows = [
        {
            "experiment": record.experiment,
            "seed": record.seed,
            "accuracy": in_a_chart(record.test["top1_percent"]),
            "low": in_a_chart(record.test["top1_low"]),
            "high": in_a_chart(record.test["top1_high"]),
        }
        for record in records
    ]
    names = list(dict.fromkeys(row["experiment"] for row in rows))
    tips = ["experiment:N", "seed:N", "accuracy:Q", "low:Q", "high:Q"]
    base = alt.Chart(pd.DataFrame(rows)).encode(y=alt.Y("experiment:N", title=None, sort=None))
    axis = alt.X("low:Q", title="test accuracy (%)", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8))
    intervals = base.mark_rule(color=BLUE, strokeWidth=2, opacity=0.5).encode(x=axis, x2="high:Q")
    points = base.mark_point(filled=True, size=50, color=BLUE, opacity=0.8).encode(x="accuracy:Q", tooltip=tips)
    about = f"Test accuracy of {len(rows)} runs of {len(names)} experiments, each with its 95 % interval."
    return _spec(alt.layer(intervals, points), about, height=22 * len(names) + 20)


def training_chart(history: Path, band: Band) -> Spec:
    """Accuracy on the training set, and on held-out samples where there are any, after each epoch, over the band of
    recorded trainings where there is one."""
    rows = _courses(history)
    train = rows[0]["accuracy"]
    about = f"Training accuracy: {train[0]} % after epoch 1, {train[-1]} % after epoch {len(train)}."
    if not band:
        return _filled(_training_form(len(rows) == 1), rows, about)
    about += " Green: the band in which recorded trainings of this recipe lie."
    lows, highs = ([in_a_chart(min(max(end, 0.0), 100.0)) for end in ends] for ends in zip(*band, strict=True))
    spec = _filled(_banded_form(len(rows) == 1), rows, about)
    spec["datasets"]["band"] = [{"samples": "band", "low": lows, "high": highs}]
    return spec


def _courses(history: Path) -> list[dict[str, Any]]:
    """The accuracies of the training set after each epoch, then those of held-out samples where there are any."""
    with history.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    columns = {"train": "train_accuracy", "validation": "validation_accuracy"}
    found = {name: [_number(line[column]) for line in lines] for name, column in columns.items()}
    return [{"samples": name, "accuracy": values} for name, values in found.items() if set(values) != {None}]


def _number(text: str) -> float | None:
    return in_a_chart(float(text)) if text else None


@cache
def _training_form(one: bool) -> Spec:
    return _form(_lines(one))


@cache
def _banded_form(one: bool) -> Spec:
    tips = ["epoch:Q", alt.Tooltip("low:Q", format=".2f"), alt.Tooltip("high:Q", format=".2f")]
    chart = alt.Chart(alt.NamedData("band")).mark_area(opacity=0.25, color=GREEN).transform_flatten(["low", "high"])
    area = chart.transform_window(epoch="row_number()").encode(x=EPOCH, y=alt.Y("low:Q"), y2="high:Q", tooltip=tips)
    return _form(alt.layer(area, _lines(one)))


def _lines(one: bool) -> Any:
    """`one`: of the training set alone."""
    names = {"train": BLUE, "validation": ORANGE}
    scale = alt.Scale(domain=list(names), range=list(names.values()))
    title = "training accuracy (%)" if one else "accuracy (%)"
    chart = alt.Chart(ROWS).mark_line(point=True).transform_flatten(["accuracy"])
    return chart.transform_window(epoch="row_number()", groupby=["samples"]).encode(
        x=EPOCH,
        y=alt.Y("accuracy:Q", title=title, scale=alt.Scale(domain=[0, 100])),
        color=alt.value(BLUE) if one else alt.Color("samples:N", scale=scale, title=None),
        tooltip=["epoch:Q", "samples:N", alt.Tooltip("accuracy:Q", format=".2f")],
    )


def steps_chart(record: Record) -> Spec:
    """Test accuracy if the output voltage were read after each time step."""
    test = record.test
    percents = [in_a_chart(100 * correct / test["samples"]) for correct in test["correct_by_step"]]
    about = (
        f"Test accuracy: {percents[0]} % if read after the first time step, {percents[-1]} % after all {len(percents)}."
    )
    return _filled(_steps_form(), [{"samples": "test", "accuracy": percents}], about)


@cache
def _steps_form() -> Spec:
    chart = alt.Chart(ROWS).mark_line(point={"color": GREEN}, color=GREEN).transform_flatten(["accuracy"])
    return _form(
        chart.transform_window(step="row_number()").encode(
            x=alt.X("step:Q", title="time step", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("accuracy:Q", title="test accuracy (%)", scale=alt.Scale(domain=[0, 100])),
            tooltip=["step:Q", alt.Tooltip("accuracy:Q", format=".2f")],
        )
    )


def confusion_chart(record: Record) -> Spec:
    """Test samples by label and prediction, in percent of the label's samples."""
    classes, counts = record.dataset["classes"], record.test["confusion"]
    rows = [
        {"label": label, "of": max(1, sum(line)), "samples": line} for label, line in zip(classes, counts, strict=True)
    ]
    return _filled(_confusion_form(tuple(classes)), rows, _mistakes(classes, counts))


@cache
def _confusion_form(classes: tuple[str, ...]) -> Spec:
    chart = alt.Chart(ROWS).mark_rect(aria=len(classes) <= MOST_NAMED)
    unfolded = (
        chart.transform_flatten(["samples"])
        .transform_window(place="row_number()", groupby=["label"])
        .transform_calculate(predicted="columns[datum.place - 1]", percent="100 * datum.samples / datum.of")
        .add_params(alt.param(name="columns", value=list(classes)))
    )
    return _form(
        unfolded.encode(
            x=alt.X("predicted:N", sort=None, axis=alt.Axis(labelAngle=-45 if max(map(len, classes)) > 2 else 0)),
            y=alt.Y("label:N", sort=None),
            color=alt.Color("percent:Q", scale=alt.Scale(type="sqrt", domain=[0, 100]), title="% of label"),
            tooltip=["label:N", "predicted:N", "samples:Q", alt.Tooltip("percent:Q", format=".1f")],
        ),
        height=280,
    )


def _mistakes(classes: list[str], counts: list[list[int]]) -> str:
    """The most frequent mistake in words."""
    wrong = {(a, p): n for a, line in enumerate(counts) for p, n in enumerate(line) if a != p and n}
    if not wrong:
        return "No test sample is taken for another class."
    (label, guess), n = max(wrong.items(), key=lambda item: item[1])
    return (
        f"{sum(wrong.values())} test samples are taken for another class; most often {classes[label]} for "
        f"{classes[guess]}, {n} of {sum(counts[label])}."
    )


def firing_chart(record: Record) -> Spec:
    """Spikes of a thousand neurons of each layer at each time step: short numbers, of which a long run has many."""
    rows = [
        {"layer": layer, "spikes": [round(1000 * rate) for rate in fired["rate"]]}
        for layer, fired in record.firing.items()
    ]
    means = {layer: sum(fired["rate"]) / len(fired["rate"]) for layer, fired in record.firing.items()}
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    about = (
        f"Spikes a neuron and time step, mean over the steps: from {means[least]:.3f} in {least} "
        f"to {means[most]:.3f} in {most}."
    )
    return _filled(_firing_form(len(rows), len(rows[0]["spikes"])), rows, about)


@cache
def _firing_form(layers: int, steps: int) -> Spec:
    chart = alt.Chart(ROWS).mark_rect(aria=layers * steps <= MOST_NAMED**2)
    unfolded = chart.transform_flatten(["spikes"]).transform_window(step="row_number()", groupby=["layer"])
    return _form(
        unfolded.encode(
            x=alt.X("step:O", title="time step", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("layer:N", sort=None, title=None),
            color=alt.Color("spikes:Q", scale=alt.Scale(domainMin=0), title="spikes of 1,000 neurons"),
            tooltip=["layer:N", "step:O", "spikes:Q"],
        ),
        height=max(120, 14 * layers),
    )


def operations_chart(operations: Operations) -> Spec:
    """Operations of each layer and sample by the kind of its input."""
    rows = [
        {"layer": layer, "operations": [in_a_chart(getattr(work, kind) / work.samples / 1e6) for kind in _KIND_COLOURS]}
        for layer, work in operations.synaptic().items()
    ]
    total = operations.total()
    sums = ", ".join(f"{total[kind] / operations.samples / 1e6:.3f} on {kind} inputs" for kind in _KIND_COLOURS)
    return _filled(_operations_form(len(rows)), rows, f"Million operations a sample: {sums}.")


@cache
def _operations_form(layers: int) -> Spec:
    scale = alt.Scale(domain=list(_KIND_COLOURS), range=list(_KIND_COLOURS.values()))
    unfolded = (
        alt.Chart(ROWS)
        .mark_bar()
        .transform_flatten(["operations"])
        .transform_window(place="row_number()", groupby=["layer"])
        .transform_calculate(input="columns[datum.place - 1]")
        .add_params(alt.param(name="columns", value=list(_KIND_COLOURS)))
    )
    return _form(
        unfolded.encode(
            x=alt.X("operations:Q", title="million operations a sample", axis=alt.Axis(tickCount=8)),
            y=alt.Y("layer:N", sort=None, title=None),
            color=alt.Color("input:N", scale=scale, title="input"),
            tooltip=["layer:N", "input:N", alt.Tooltip("operations:Q", format=".3f")],
        ),
        height=max(120, 14 * layers),
    )


def _form(chart: Any, height: Any = 220) -> Spec:
    """A chart without its data; many runs have one form."""
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    return {key: value for key, value in spec.items() if key not in ("$schema", "config")}  # the page has its own


def _filled(form: Spec, rows: list[dict[str, Any]], about: str) -> Spec:
    return {**form, "description": about, "datasets": {"rows": rows}}


def _spec(chart: Any, about: str, height: Any) -> Spec:
    return {**_form(chart, height), "description": about}
