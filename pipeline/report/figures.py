"""The report's charts as Vega-Lite specifications.

They are plain dictionaries, since importing a chart library would slow down `sresnet verify`. Colours are those of
Okabe and Ito, which colour-blind readers can distinguish. The description of each chart states in words what it shows,
for readers who cannot see it or have no JavaScript. A matrix is stored as one list per row and flattened in the
browser, so that a page of many runs stays small. https://vega.github.io/vega-lite/docs/spec.html
"""

import csv
from pathlib import Path
from typing import Any

from pipeline.evaluate.operations import Operations
from pipeline.evaluate.record import Record
from pipeline.judge.audit import Audit
from pipeline.judge.claims import AccuracyClaim
from pipeline.judge.verdicts import Judgement
from pipeline.protocol.bands import Band

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
MOST_NAMED = 20  # most rows of a confusion matrix whose cells a screen reader reads one by one
_KIND_COLOURS = {"binary": BLUE, "graded": GREEN, "real": ORANGE}
Spec = dict[str, Any]

_TYPES = {"N": "nominal", "O": "ordinal", "Q": "quantitative"}


def encoded(name: str, **more: Any) -> Spec:
    """Encoding of a column, given as name and type, for instance epoch:Q."""
    field, _, kind = name.partition(":")
    return {"field": field, "type": _TYPES[kind], **more}


def _fields(*names: str) -> list[Spec]:
    return [encoded(name) for name in names]


_EPOCH = encoded("epoch:Q", axis={"tickMinStep": 1, "format": "d"}, scale={"nice": False})
_CLAIM_TIPS = _fields("name:N", "verdict:N", "value:Q", "estimate:Q", "low:Q", "high:Q")


def in_a_chart(value: Any) -> Any:
    """A float rounded to four digits, which is more precise than a chart can show."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def claims_chart(audit: Audit) -> Spec:
    """Chart of every claimed accuracy as a range, with ours as a point and its 90 % interval."""
    pairs = zip(audit.claims, audit.judgements, strict=True)
    rows = [_claimed(claim, judgement) for claim, judgement in pairs if isinstance(claim, AccuracyClaim)]
    found = [row for row in rows if row["estimate"] is not None]
    y = encoded("name:N", title=None, scale={"domain": [row["name"] for row in rows]})
    about = (
        f"{len(rows)} claimed accuracies as ranges of their margins; {len(found)} of them with what was found, as a "
        "point with its 90 % interval. The table of claims has the numbers."
    )
    layers = [*_ranges(y), *(_estimates(y) if found else ())]
    return chart_of({"layer": layers}, {"rows": rows, "found": found}, about, height=34 * len(rows))


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


def _ranges(y: Spec) -> tuple[Spec, Spec]:
    axis = encoded("start:Q", title="accuracy (%)", scale={"zero": False}, axis={"tickCount": 8})
    bar = {"type": "bar", "height": 16, "opacity": 0.35, "color": ORANGE}
    tick = {"type": "tick", "thickness": 2, "size": 16, "color": ORANGE}
    return (
        marked("rows", bar, x=axis, x2={"field": "end"}, y=y, tooltip=_CLAIM_TIPS),
        marked("rows", tick, x=encoded("value:Q"), y=y, tooltip=_CLAIM_TIPS),
    )


def _estimates(y: Spec) -> tuple[Spec, Spec]:
    rule = {"type": "rule", "strokeWidth": 2, "color": BLUE}
    point = {"type": "point", "filled": True, "size": 70, "color": BLUE, "opacity": 1}
    return (
        marked("found", rule, x=encoded("low:Q"), x2={"field": "high"}, y=y, tooltip=_CLAIM_TIPS),
        marked("found", point, x=encoded("estimate:Q"), y=y, tooltip=_CLAIM_TIPS),
    )


def training_chart(history: Path, band: Band) -> Spec:
    """Chart of the accuracy after each epoch on the training set, and on validation samples if there are any. Shows the
    band of recorded trainings if there is one."""
    rows = _courses(history)
    train = rows[0]["accuracy"]
    about = f"Training accuracy: {train[0]} % after epoch 1, {train[-1]} % after epoch {len(train)}."
    if not band:
        return chart_of(_accuracies(len(rows) == 1), {"rows": rows}, about)
    about += " Green: the band in which recorded trainings of this recipe lie."
    lows, highs = ([in_a_chart(min(max(end, 0.0), 100.0)) for end in ends] for ends in zip(*band, strict=True))
    data = {"rows": rows, "band": [{"samples": "band", "low": lows, "high": highs}]}
    return chart_of({"layer": [_band(), _accuracies(len(rows) == 1)]}, data, about)


def _courses(history: Path) -> list[dict[str, Any]]:
    """Accuracies after each epoch: of the training set, then of the validation samples if there are any."""
    with history.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    columns = {"train": "train_accuracy", "validation": "validation_accuracy"}
    found = {name: [_number(line[column]) for line in lines] for name, column in columns.items()}
    return [{"samples": name, "accuracy": values} for name, values in found.items() if set(values) != {None}]


def _number(text: str) -> float | None:
    return in_a_chart(float(text)) if text else None


def _band() -> Spec:
    tips = [encoded("epoch:Q"), encoded("low:Q", format=".2f"), encoded("high:Q", format=".2f")]
    area = {"type": "area", "opacity": 0.25, "color": GREEN}
    layer = marked("band", area, x=_EPOCH, y=encoded("low:Q"), y2={"field": "high"}, tooltip=tips)
    return layer | {"transform": _unfolded("low", "high", counted="epoch")}


def _accuracies(one: bool) -> Spec:
    """The layer of accuracy curves; `one` if there is only the training set's."""
    names = {"train": BLUE, "validation": ORANGE}
    colours = encoded("samples:N", scale={"domain": list(names), "range": list(names.values())}, title=None)
    title = "training accuracy (%)" if one else "accuracy (%)"
    layer = marked(
        "rows",
        {"type": "line", "point": True},
        x=_EPOCH,
        y=encoded("accuracy:Q", title=title, scale={"domain": [0, 100]}),
        color={"value": BLUE} if one else colours,
        tooltip=[encoded("epoch:Q"), encoded("samples:N"), encoded("accuracy:Q", format=".2f")],
    )
    return layer | {"transform": _unfolded("accuracy", counted="epoch", within="samples")}


def steps_chart(record: Record) -> Spec:
    """Chart of the test accuracy if the output voltage is read after each time step."""
    test = record.test
    percents = [in_a_chart(100 * correct / test["samples"]) for correct in test["correct_by_step"]]
    about = (
        f"Test accuracy: {percents[0]} % if read after the first time step, {percents[-1]} % after all {len(percents)}."
    )
    layer = marked(
        "rows",
        {"type": "line", "point": {"color": GREEN}, "color": GREEN},
        x=encoded("step:Q", title="time step", axis={"tickMinStep": 1, "format": "d"}),
        y=encoded("accuracy:Q", title="test accuracy (%)", scale={"domain": [0, 100]}),
        tooltip=[encoded("step:Q"), encoded("accuracy:Q", format=".2f")],
    )
    data = {"rows": [{"samples": "test", "accuracy": percents}]}
    return chart_of(layer | {"transform": _unfolded("accuracy", counted="step")}, data, about)


def confusion_chart(record: Record) -> Spec:
    """Confusion matrix: test samples by label and prediction, in percent of the label's samples."""
    classes, counts = record.dataset["classes"], record.test["confusion"]
    rows = [
        {"label": label, "of": max(1, sum(line)), "samples": line} for label, line in zip(classes, counts, strict=True)
    ]
    layer = marked(
        "rows",
        {"type": "rect", "aria": len(classes) <= MOST_NAMED},
        x=encoded("predicted:N", sort=None, axis={"labelAngle": -45 if max(map(len, classes)) > 2 else 0}),
        y=encoded("label:N", sort=None),
        color=encoded("percent:Q", scale={"type": "sqrt", "domain": [0, 100]}, title="% of label"),
        tooltip=[*_fields("label:N", "predicted:N", "samples:Q"), encoded("percent:Q", format=".1f")],
    )
    named = {"calculate": "columns[datum.place - 1]", "as": "predicted"}
    percent = {"calculate": "100 * datum.samples / datum.of", "as": "percent"}
    layer["transform"] = [*_unfolded("samples", counted="place", within="label"), named, percent]
    return chart_of(layer | _columns(classes), {"rows": rows}, _mistakes(classes, counts), height=280)


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
    """Chart of spikes per thousand neurons, by layer and time step. In this unit the numbers are short."""
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
    layer = marked(
        "rows",
        {"type": "rect", "aria": len(rows) * len(rows[0]["spikes"]) <= MOST_NAMED**2},
        x=encoded("step:O", title="time step", axis={"labelAngle": 0, "labelOverlap": True}),
        y=encoded("layer:N", sort=None, title=None),
        color=encoded("spikes:Q", scale={"domainMin": 0}, title="spikes of 1,000 neurons"),
        tooltip=_fields("layer:N", "step:O", "spikes:Q"),
    )
    layer["transform"] = _unfolded("spikes", counted="step", within="layer")
    return chart_of(layer, {"rows": rows}, about, height=max(120, 14 * len(rows)))


def operations_chart(operations: Operations) -> Spec:
    """Chart of operations per sample, by layer and kind of its input."""
    rows = [
        {"layer": layer, "operations": [in_a_chart(getattr(work, kind) / work.samples / 1e6) for kind in _KIND_COLOURS]}
        for layer, work in operations.synaptic().items()
    ]
    kinds, total = list(_KIND_COLOURS), operations.total()
    sums = ", ".join(f"{total[kind] / operations.samples / 1e6:.3f} on {kind} inputs" for kind in _KIND_COLOURS)
    layer = marked(
        "rows",
        {"type": "bar"},
        x=encoded("operations:Q", title="million operations a sample", axis={"tickCount": 8}),
        y=encoded("layer:N", sort=None, title=None),
        color=encoded("input:N", scale={"domain": kinds, "range": list(_KIND_COLOURS.values())}, title="input"),
        tooltip=[*_fields("layer:N", "input:N"), encoded("operations:Q", format=".3f")],
    )
    named = {"calculate": "columns[datum.place - 1]", "as": "input"}
    layer["transform"] = [*_unfolded("operations", counted="place", within="layer"), named]
    about = f"Million operations a sample: {sums}."
    return chart_of(layer | _columns(kinds), {"rows": rows}, about, height=max(120, 14 * len(rows)))


def marked(data: str, mark: Spec, **encoding: Any) -> Spec:
    return {"data": {"name": data}, "mark": mark, "encoding": encoding}


def _unfolded(*lists: str, counted: str, within: str | None = None) -> list[Spec]:
    """Transforms that give one row per list element and number the rows, from 1 for each value of `within`."""
    window = {"window": [{"op": "row_number", "field": "", "as": counted}]}
    return [{"flatten": list(lists)}, window | ({"groupby": [within]} if within else {})]


def _columns(names: list[str]) -> Spec:
    """Names of the list elements, as a parameter of the chart."""
    return {"params": [{"name": "columns", "value": names}]}


def chart_of(form: Spec, data: dict[str, list[dict[str, Any]]], about: str, height: int = 220) -> Spec:
    return {**form, "width": "container", "height": height, "description": about, "datasets": data}
