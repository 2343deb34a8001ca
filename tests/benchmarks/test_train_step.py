"""The benchmark of a training step takes turns, says what it measured and writes it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import train_step
from benchmarks.train_step import main, measure

TINY = ["--blocks=1", "--width=2", "--time-steps=2", "--batch=2", "--threads=1"]


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_forms_take_turns() -> None:
    calls: list[str] = []
    measure({"through_time": lambda: calls.append("A"), "step_by_step": lambda: calls.append("B")}, 3)
    assert "".join(calls) == "AB" + "AB" + "BA" + "AB"


def test_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With times that are set: two warm-ups, then pairs of 1 and 2 s, 2 and 6 s (in the other order), 1 and 1.5 s."""
    runs = iter([9.0, 9.0, 1.0, 2.0, 6.0, 2.0, 1.0, 1.5])
    real = train_step.seconds
    monkeypatch.setattr(train_step, "seconds", lambda step: real(step) * 0 + next(runs))
    main([*TINY, "--pairs=3", f"--output={tmp_path / 'bench.json'}"])
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["ratio"] == {"median": 2.0, "low": 1.5, "high": 3.0}
    assert result["median_seconds"] == {"through_time": 1.0, "step_by_step": 2.0}
    assert [pair["step_by_step"] for pair in result["pairs"]] == [2.0, 6.0, 1.5]
    assert result["settings"] == {"blocks": 1, "width": 2, "time_steps": 2, "batch": 2, "threads": 1, "pairs": 3}
    assert result["torch"] == torch.__version__
    assert result["machine"].endswith(f"torch {torch.__version__}")
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "pair 2 of 3: through_time 2.00 s, step_by_step 6.00 s, ratio 3.00"
    assert lines[5].startswith("ratio 2.00 (1.50 to 3.00), 3 pairs")


def test_both_forms_train_from_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    entropy = train_step.cross_entropy

    def noted(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = entropy(logits, labels)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(train_step, "cross_entropy", noted)
    steps = train_step.training_steps(train_step.parse(TINY))
    for step in (*steps.values(), *steps.values()):
        step()
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[2] == pytest.approx(losses[3], rel=1e-2)
    assert losses[2] < losses[0] - 1e-3


@pytest.mark.parametrize("wrong", ["--pairs=0", "--batch=-1", "--threads=two"])
def test_a_wrong_setting_is_named(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([wrong])
    assert f"argument {wrong.partition('=')[0]}: " in capsys.readouterr().err
