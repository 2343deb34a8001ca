"""Training curves of the parts of a dataset that failed at their rate, beside the base's."""

from pathlib import Path
from typing import Any

from pipeline.ground.errors import InputError
from pipeline.protocol.curves import Curves, curves_path, read_curves
from pipeline.report.figures import Spec, encoded
from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.grid import Cell, CellConfiguration

PANELS = 5
"""Number of panels in a line of the picture."""


def curve_rows(
    dataset: StudyDataset, configurations: dict[str, CellConfiguration], results: Path
) -> list[dict[str, Any]]:
    """Part, seed, epoch and training accuracy (percent) of each recorded curve (`sresnet curves`).

    Empty if no part failed, or no curve of one is recorded. `configurations` is by experiment. Raises InputError for
    curves of another configuration or other samples.
    """
    failed = [cell for cell in dataset.others if cell.state != "steady"]
    found = {cell.part: _curves(dataset, cell, configurations, results) for cell in failed}
    if not any(found.values()):
        return []
    base = _curves(dataset, dataset.at_base, configurations, results)
    return [
        row for part, curves in {dataset.at_base.part: base, **found}.items() if curves for row in _rows(part, curves)
    ]


def without_curves(dataset: StudyDataset, rows: list[dict[str, Any]]) -> list[Cell]:
    """The parts that failed and have no recorded curves."""
    drawn = {row["part"] for row in rows}
    return [cell for cell in dataset.others if cell.state != "steady" and cell.part not in drawn]


def _curves(
    dataset: StudyDataset, cell: Cell, configurations: dict[str, CellConfiguration], results: Path
) -> Curves | None:
    experiment = dataset.run(cell)
    path = curves_path(results, experiment)
    curves = read_curves(path)
    if curves is None:
        return None
    wanted = configurations[experiment], dataset.base.digests["train_rows"]
    if (curves.network | curves.training, curves.data_digest) != wanted:
        raise InputError(
            f"{path}: of another configuration, or other samples, than {experiment} has now; train it, then run "
            "`sresnet curves` again"
        )
    return curves


def _rows(part: str, curves: Curves) -> list[dict[str, Any]]:
    return [
        {"part": part, "seed": seed, "epoch": epoch, "accuracy": round(accuracy, 2)}
        for seed, history in curves.histories.items()
        for epoch, accuracy in enumerate(history["train_accuracy"], 1)
    ]


def curves_picture(rows: list[dict[str, Any]]) -> bytes:
    """The curves as SVG, on white: a panel a part, a line a seed."""
    import vl_convert

    lines: Spec = {
        "mark": {"type": "line", "point": True},
        "width": 170,
        "height": 130,
        "encoding": {
            "x": encoded("epoch:Q", title="epoch", axis={"tickMinStep": 1, "format": "d"}),
            "y": encoded("accuracy:Q", title="training accuracy (%)", scale={"domain": [0, 100]}),
            "color": encoded("seed:N", title="seed"),
        },
    }
    facet = {"field": "part", "type": "nominal", "title": None, "sort": list(dict.fromkeys(r["part"] for r in rows))}
    spec = {
        "data": {"values": rows},
        "facet": facet,
        "columns": PANELS,
        "spec": lines,
        "config": {"background": "white", "view": {"stroke": None}},
    }
    return bytes(vl_convert.vegalite_to_svg(spec), "utf-8")
