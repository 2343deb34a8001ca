"""The benchmark of the sweep: the pipeline accepts its params.yaml, and its text states what was measured."""

from pathlib import Path

import pytest

from benchmarks import sweep
from pipeline.ground.errors import InputError
from pipeline.protocol.params import load_params


def test_four_runs_of_one_worker_and_thread(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(sweep.parameters(epochs=3), encoding="utf-8")
    params = load_params(path)
    assert list(params.runs) == ["digits-0", "digits-1", "digits-slower-0", "digits-slower-1"]
    assert {(one.training.threads, one.training.epochs) for one in params.experiments.values()} == {(1, 3)}
    assert [one.training.learning_rate for one in params.experiments.values()] == [0.3, 0.1]
    assert params.cluster.workers == 1


def way(seconds: float) -> dict[str, float]:
    return {
        "seconds": seconds + 5,
        "runs_seconds": seconds,
        "train_stage_seconds": 20.0,
        "training_seconds": 12.0,
        "evaluate_stage_seconds": 6.0,
    }


@pytest.mark.parametrize(("seconds", "last"), [(60.0, "2.00 times"), (80.0, "1.50 times")])
def test_a_target_is_reached_or_missed(seconds: float, last: str) -> None:
    result = {"serial": way(120.0), "sweep": way(seconds), "times_throughput": 120.0 / seconds}
    lines = sweep.described(result).splitlines()
    assert lines[0] == (
        "serial: 120.0 s for all runs, 125.0 s with the report; "
        "of a run: stage train 20.0 s (12.0 s of training), stage evaluate 6.0 s"
    )
    assert lines[2] == f"{last} the throughput; 1.7 is {'reached' if seconds == 60.0 else 'missed'}"


def test_a_failed_command_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such luck"):
        sweep.execute(tmp_path, ["sh", "-c", "echo no such luck; exit 3"])
