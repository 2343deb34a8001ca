"""The report's charts as Vega-Lite specifications. Okabe and Ito's colours: colour-blind readers tell them apart.

The description of each says in words what it shows: a reader who does not see it, or has no JavaScript, gets that.
Matrices are kept as a list a row and unfolded in the browser, so a page of many runs stays small.
"""

import csv
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from pipeline.audit.audit import Audit
from pipeline.audit.claims import AccuracyClaim
from pipeline.audit.operations import Operations
from pipeline.audit.record import Record
from pipeline.curves import Band

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
MOST_NAMED = 20  # squares a side that a screen reader is told one by one
Spec = dict[str, Any]

alt.data_transformers.disable_max_rows()


def claims_chart(audit: Audit) -> Spec:
    """Every claimed accuracy as a range, ours as a point with its 90 % interval."""
    rows = [
        {
            "claim": claim.id,
            "value": claim.value,
            "start": max(claim.value - claim.margin, 0.0),
            "end": min(claim.value + claim.margin, 100.0),
            "estimate": judgement.estimate,
            "low": judgement.low,
            "high": judgement.high,
            "verdict": judgement.verdict,
        }
        for claim, judgement in zip(audit.claims, audit.judgements, strict=True)
        if isinstance(claim, AccuracyClaim)
    ]
    names = [row["claim"] for row in rows]
    y = alt.Y("claim:N", title=None, scale=alt.Scale(domain=names))
    base = alt.Chart(pd.DataFrame(rows)).encode(y=y)
    found = [row for row in rows if row["estimate"] is not None and row["verdict"] != "EXTRAPOLATED"]
    tested = alt.Chart(pd.DataFrame(found)).encode(y=y)
    axis = alt.X("start:Q", title="accuracy (%)", scale=alt.Scale(zero=False))
    tips = ["claim", "verdict", "value", "estimate", "low", "high"]
    claimed = base.mark_bar(height=16, opacity=0.35, color=ORANGE).encode(x=axis, x2="end:Q", tooltip=tips)
    value = base.mark_tick(thickness=2, size=16, color=ORANGE).encode(x="value:Q", tooltip=tips)
    interval = tested.mark_rule(strokeWidth=2, color=BLUE).encode(x="low:Q", x2="high:Q", tooltip=tips)
    point = tested.mark_point(filled=True, size=70, color=BLUE, opacity=1).encode(x="estimate:Q", tooltip=tips)
    layers = [claimed, value, interval, point] if found else [claimed, value]
    about = (
        f"{len(rows)} claimed accuracies as ranges of their margins; {len(found)} of them with what was found, as a point "
        "with its 90 % interval. The table of claims has the numbers."
    )
    return _spec(alt.layer(*layers), about, height=34 * len(rows))


def runs_chart(records: list[Record]) -> Spec:
    """The test accuracy of every run, by experiment."""
    rows = [
        {
            "experiment": record.experiment,
            "seed": record.seed,
            "accuracy": _short(record.test["top1_percent"]),
            "low": _short(record.test["top1_low"]),
            "high": _short(record.test["top1_high"]),
        }
        for record in records
    ]
    names = list(dict.fromkeys(row["experiment"] for row in rows))
    tips = ["experiment:N", "seed:N", "accuracy:Q", "low:Q", "high:Q"]
    base = alt.Chart(pd.DataFrame(rows)).encode(y=alt.Y("experiment:N", title=None, sort=None))
    axis = alt.X("low:Q", title="test accuracy (%)", scale=alt.Scale(zero=False))
    intervals = base.mark_rule(color=BLUE, opacity=0.4).encode(x=axis, x2="high:Q")
    points = base.mark_point(filled=True, size=50, color=BLUE, opacity=0.8).encode(x="accuracy:Q", tooltip=tips)
    about = f"Test accuracy of {len(rows)} runs of {len(names)} experiments, each with its 95 % interval."
    return _spec(alt.layer(intervals, points), about, height=22 * len(names) + 20)


def training_chart(history: Path, band: Band) -> Spec:
    """Accuracy on the training set, and on held-out samples where there are any, after each epoch, over the band of
    recorded trainings where there is one."""
    names = {"train_accuracy": "train", "validation_accuracy": "validation"}
    with history.open(encoding="utf-8", newline="") as file:
        rows = [
            {"epoch": int(row["epoch"]), "samples": name, "accuracy": float(row[column])}
            for row in csv.DictReader(file)
            for column, name in names.items()
            if row[column]
        ]
    chart = alt.Chart(pd.DataFrame(rows)).mark_line(point=True)
    colour = alt.Color("samples:N", scale=alt.Scale(domain=list(names.values()), range=[BLUE, ORANGE]), title=None)
    epoch = alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False))
    accuracy = alt.Y("accuracy:Q", title="accuracy (%)", scale=alt.Scale(domain=[0, 100]))
    one = {row["samples"] for row in rows} == {"train"}
    lines = chart.encode(
        x=epoch,
        y=accuracy.title("training accuracy (%)") if one else accuracy,
        color=alt.value(BLUE) if one else colour,
        tooltip=["epoch", "samples", alt.Tooltip("accuracy", format=".2f")],
    )
    about = _course(rows)
    if not band:
        return _spec(lines, about)
    title = "green: the band of recorded trainings of this recipe"
    layered = alt.layer(_band_chart(band, epoch), lines).properties(title=alt.Title(title, fontWeight="normal"))
    return _spec(layered, f"{about} Behind it the band in which recorded trainings of this recipe lie.")


def _course(rows: list[dict[str, Any]]) -> str:
    """First and last training accuracy in words."""
    train = [row for row in rows if row["samples"] == "train"]
    first, last = train[0], train[-1]
    return (
        f"Training accuracy: {first['accuracy']:.2f} % after epoch {first['epoch']}, {last['accuracy']:.2f} % after epoch "
        f"{last['epoch']}."
    )


def _band_chart(band: Band, epoch: alt.X) -> Any:
    """Where a training accuracy should lie at each epoch."""
    spans = [{"epoch": e, "low": max(low, 0), "high": min(high, 100)} for e, (low, high) in enumerate(band, 1)]
    tips = ["epoch", alt.Tooltip("low", format=".2f"), alt.Tooltip("high", format=".2f")]
    area = alt.Chart(pd.DataFrame(spans)).mark_area(opacity=0.25, color=GREEN)
    return area.encode(x=epoch, y=alt.Y("low:Q"), y2="high:Q", tooltip=tips)


def steps_chart(record: Record) -> Spec:
    """Test accuracy if the output voltage were read after each time step."""
    test = record.test
    rows = [
        {"step": t + 1, "accuracy": 100 * correct / test["samples"]}
        for t, correct in enumerate(test["correct_by_step"])
    ]
    chart = alt.Chart(pd.DataFrame(rows)).mark_line(point={"color": GREEN}, color=GREEN)
    return _spec(
        chart.encode(
            x=alt.X("step:Q", title="time step", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("accuracy:Q", title="test accuracy (%)", scale=alt.Scale(domain=[0, 100])),
            tooltip=["step", alt.Tooltip("accuracy", format=".2f")],
        ),
        f"Test accuracy if the output is read after a time step: {rows[0]['accuracy']:.2f} % after the first, "
        f"{rows[-1]['accuracy']:.2f} % after all {len(rows)}.",
    )


def confusion_chart(record: Record) -> Spec:
    """Test samples by label and prediction, in percent of the label's samples."""
    classes, counts = record.dataset["classes"], record.test["confusion"]
    rows = [
        {"label": label, "of": max(1, sum(line)), "samples": line} for label, line in zip(classes, counts, strict=True)
    ]
    chart = alt.Chart(alt.Data(values=rows)).mark_rect(aria=len(classes) <= MOST_NAMED)
    unfolded = (
        chart.transform_flatten(["samples"])
        .transform_window(place="row_number()", groupby=["label"])
        .transform_calculate(predicted="columns[datum.place - 1]", percent="100 * datum.samples / datum.of")
        .add_params(alt.param(name="columns", value=classes))
    )
    return _spec(
        unfolded.encode(
            x=alt.X("predicted:N", sort=None, axis=alt.Axis(labelAngle=-45 if max(map(len, classes)) > 2 else 0)),
            y=alt.Y("label:N", sort=None),
            color=alt.Color("percent:Q", scale=alt.Scale(domain=[0, 100]), title="% of label"),
            tooltip=["label:N", "predicted:N", "samples:Q", alt.Tooltip("percent:Q", format=".1f")],
        ),
        _mistakes(classes, counts),
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
    """Spikes a neuron of each layer at each time step."""
    rows = [
        {"layer": layer, "rate": [_short(rate) for rate in fired["rate"]]} for layer, fired in record.firing.items()
    ]
    steps = max(len(row["rate"]) for row in rows)
    chart = alt.Chart(alt.Data(values=rows)).mark_rect(aria=steps * len(rows) <= MOST_NAMED**2)
    unfolded = chart.transform_flatten(["rate"]).transform_window(step="row_number()", groupby=["layer"])
    means = {row["layer"]: sum(row["rate"]) / len(row["rate"]) for row in rows}
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    return _spec(
        unfolded.encode(
            x=alt.X("step:O", title="time step", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:N", sort=None, title=None),
            color=alt.Color("rate:Q", scale=alt.Scale(domainMin=0), title="spikes"),
            tooltip=["layer:N", "step:O", alt.Tooltip("rate:Q", format=".4f")],
        ),
        f"Spikes a neuron and time step, mean over the steps: from {means[least]:.3f} in {least} to {means[most]:.3f} in "
        f"{most}.",
        height=max(120, 14 * len(record.firing)),
    )


def operations_chart(operations: Operations) -> Spec:
    """Operations of each layer and sample by the kind of its input."""
    kinds = {"binary": BLUE, "graded": GREEN, "real": ORANGE}
    rows = [
        {"layer": layer, "input": kind, "operations": _short(getattr(work, kind) / work.samples / 1e6)}
        for layer, work in operations.layers.items()
        for kind in kinds
        if getattr(work, kind)
    ]
    total = operations.total()
    done = {kind: total[kind] / operations.samples / 1e6 for kind in kinds}
    chart = alt.Chart(alt.Data(values=rows)).mark_bar()
    colour = alt.Color("input:N", scale=alt.Scale(domain=list(kinds), range=list(kinds.values())), title="input")
    return _spec(
        chart.encode(
            x=alt.X("operations:Q", title="million operations a sample"),
            y=alt.Y("layer:N", sort=None, title=None),
            color=colour,
            tooltip=["layer:N", "input:N", alt.Tooltip("operations:Q", format=".3f")],
        ),
        "Million operations a sample: " + ", ".join(f"{n:.3f} on {kind} inputs" for kind, n in done.items()) + ".",
        height=max(120, 14 * len(operations.layers)),
    )


def _spec(chart: Any, about: str, height: Any = 220) -> Spec:
    spec: Spec = chart.properties(width="container", height=height, description=about).to_dict()
    return {key: value for key, value in spec.items() if key not in ("$schema", "config")}  # the page has its own


def _short(value: float) -> float:
    """Four digits: more than a picture shows."""
    return float(f"{value:.4g}")
