"""The benchmark of halving: its params.yaml is accepted, and Ray Tune's ASHA decides by the order of arrival."""

from pathlib import Path

from benchmarks import halving
from benchmarks.sweep import parameters
from pipeline.cli.halving import check_comparable
from pipeline.protocol.params import load_params


def test_its_experiments_can_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(parameters(8, halving.RATES, (0,), 10), encoding="utf-8")
    params = load_params(path)
    check_comparable(params)
    assert [one.training.learning_rate for one in params.experiments.values()] == list(halving.RATES.values())


def test_asha_stops_what_comes_after_something_better() -> None:
    curves = {"good": [50.0, 60.0, 70.0, 80.0], "bad": [10.0, 20.0, 30.0, 40.0]}
    assert halving.asha(curves, places=1) == {"good": 4, "bad": 1}
    assert halving.asha(dict(reversed(curves.items())), places=1) == {"good": 4, "bad": 4}
