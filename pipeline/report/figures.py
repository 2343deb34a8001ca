"""The report's charts as Vega-Lite specifications. Okabe and Ito's colours: colour-blind readers tell them apart."""

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
Spec = dict[str, Any]

alt.data_transformers.disable_max_rows()  # the confusion of 100 classes has 10,000


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
    return _spec(alt.layer(*layers), height=34 * len(rows))


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
    if not band:
        return _spec(lines)
    title = "green: the band of recorded trainings of this recipe"
    return _spec(alt.layer(_band_chart(band, epoch), lines).properties(title=alt.Title(title, fontWeight="normal")))


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
        )
    )


def confusion_chart(record: Record) -> Spec:
    """Test samples by label and prediction, in percent of the label's samples."""
    classes, counts = record.dataset["classes"], record.test["confusion"]
    rows = [
        {"label": label, "predicted": guess, "samples": n, "percent": 100 * n / max(1, sum(line))}
        for label, line in zip(classes, counts, strict=True)
        for guess, n in zip(classes, line, strict=True)
    ]
    chart = alt.Chart(pd.DataFrame(rows)).mark_rect()
    return _spec(
        chart.encode(
            x=alt.X("predicted:N", sort=None, axis=alt.Axis(labelAngle=-45 if max(map(len, classes)) > 2 else 0)),
            y=alt.Y("label:N", sort=None),
            color=alt.Color("percent:Q", scale=alt.Scale(domain=[0, 100]), title="% of label"),
            tooltip=["label", "predicted", "samples", alt.Tooltip("percent", format=".1f")],
        ),
        height=280,
    )


def firing_chart(record: Record) -> Spec:
    """Spikes a neuron of each layer at each time step."""
    rows = [
        {"layer": layer, "step": t + 1, "rate": rate}
        for layer, fired in record.firing.items()
        for t, rate in enumerate(fired["rate"])
    ]
    chart = alt.Chart(pd.DataFrame(rows)).mark_rect()
    return _spec(
        chart.encode(
            x=alt.X("step:O", title="time step", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:N", sort=None, title=None),
            color=alt.Color("rate:Q", scale=alt.Scale(domainMin=0), title="spikes"),
            tooltip=["layer", "step", alt.Tooltip("rate", format=".4f")],
        ),
        height=max(120, 14 * len(record.firing)),
    )


def operations_chart(operations: Operations) -> Spec:
    """Operations of each layer and sample by the kind of its input."""
    kinds = {"binary": BLUE, "graded": GREEN, "real": ORANGE}
    rows = [
        {"layer": layer, "input": kind, "operations": getattr(work, kind) / work.samples / 1e6}
        for layer, work in operations.synaptic().items()
        for kind in kinds
    ]
    chart = alt.Chart(pd.DataFrame(rows)).mark_bar()
    colour = alt.Color("input:N", scale=alt.Scale(domain=list(kinds), range=list(kinds.values())), title="input")
    return _spec(
        chart.encode(
            x=alt.X("operations:Q", title="million operations a sample"),
            y=alt.Y("layer:N", sort=None, title=None),
            color=colour,
            tooltip=["layer", "input", alt.Tooltip("operations", format=".3f")],
        ),
        height=max(120, 14 * len(operations.synaptic())),
    )


def _spec(chart: Any, height: Any = 220) -> Spec:
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    return spec
