"""The benchmark of a step alternates between implementations of one computation, and writes what it measured."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import conv2d

from benchmarks import forms, train_step
from benchmarks.forms import Case, Form, step_of
from benchmarks.memory import peak_bytes
from benchmarks.train_step import main, measure
from tests.train.tiny import NETWORK

TINY = Case(network=NETWORK, batch=2)


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_forms_take_turns() -> None:
    calls: list[str] = []
    steps = {form: lambda form=form: calls.append(form[0]) for form in forms.FORMS}
    measure(steps, 3)
    assert "".join(calls) == "tsc" + "tsc" + "sct" + "cts"


def test_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With times that are set, round by round: ratios 4 / 2 and 2 / 1, then 9 / 3 and 3 / 2, the order turned."""
    runs = iter([9.0, 9.0, 9.0, 2.0, 4.0, 1.0, 9.0, 2.0, 3.0])
    monkeypatch.setattr(train_step, "duration", lambda step, device: next(runs))
    monkeypatch.setattr(train_step, "keep_memory", lambda: None)
    monkeypatch.setattr(
        train_step, "peak_bytes", lambda case, form, threads, processes: 1 if form == "through-time" else 4
    )
    monkeypatch.setattr(train_step, "profile_of", lambda case: {"passes": 1.0})
    monkeypatch.setattr(train_step, "MEMORY", {})
    monkeypatch.setattr(train_step, "CASES", {"tiny": TINY})
    (tmp_path / "bench.json").write_text('{"another processor": {}}')
    main(["--threads=1", "--rounds=2", f"--output={tmp_path / 'bench.json'}"])
    other, result = json.loads((tmp_path / "bench.json").read_text()).values()
    assert other == {}, "what was measured on another processor stays"
    row = result["rows"]["tiny"]
    assert row["faster_than_step_by_step"] == {"median": 2.5, "low": 2.0, "high": 3.0}
    assert row["against_convolutions"] == {"median": 1.75, "low": 1.5, "high": 2.0}
    assert row["median_seconds"] == {"through-time": 2.5, "step-by-step": 6.5, "convolutions": 1.5}
    assert row["case"]["network"]["time_steps"] == 2
    assert (result["threads"], result["rounds"]) == (1, 2)
    assert result["machine"].endswith(f"torch {torch.__version__}")
    expected = "tiny: 2.50 (2.00 to 3.00) times step by step, 1.75 (1.50 to 2.00) of the convolutions, memory 0.25"
    assert capsys.readouterr().out.splitlines()[0] == expected


def test_both_forms_train_from_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    entropy = forms.cross_entropy

    def noted(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = entropy(logits, labels)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(forms, "cross_entropy", noted)
    compared: tuple[Form, ...] = ("through-time", "step-by-step")
    steps = [step_of(TINY, form) for form in compared]
    for step in (*steps, *steps):
        step()
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[2] == pytest.approx(losses[3], rel=1e-2)
    assert losses[2] < losses[0] - 1e-3


@pytest.mark.parametrize("inference", [False, True])
def test_the_floor_has_the_convolutions_of_the_network(inference: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """n = 1: the first, on 2 images once; then 6 of 3x3 and 2 of 1x1 on 2 images at 2 steps."""
    shapes: list[tuple[int, ...]] = []

    def noted(values: torch.Tensor, weight: torch.Tensor, **how: int) -> torch.Tensor:
        shapes.append((len(values), *weight.shape))
        return conv2d(values, weight, **how)

    monkeypatch.setattr(forms, "conv2d", noted)
    step_of(replace(TINY, inference=inference), "convolutions")()
    assert shapes[0] == (2, 2, 3, 3, 3)
    assert sorted(shapes[1:]) == sorted(
        (4, outputs, inputs, kernel, kernel)
        for outputs, inputs, kernel in (
            *((2, 2, 3), (2, 2, 3)),
            *((4, 2, 3), (4, 4, 3), (4, 2, 1)),
            *((8, 4, 3), (8, 8, 3), (8, 4, 1)),
        )
    )


def test_memory_of_a_step_grows_with_what_is_kept() -> None:
    """Of 16 images at T = 8, stage 1 alone keeps 16 channels of 32 x 32 currents in three layers, in float32."""
    network = replace(NETWORK, width=16, time_steps=8)
    assert peak_bytes(Case(network=network, batch=16), "through-time", 1, processes=1) > 3 * 16 * 8 * 16 * 32 * 32 * 4


@pytest.mark.parametrize("wrong", ["--rounds=0", "--threads=two"])
def test_a_wrong_setting_is_named(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([wrong])
    assert f"argument {wrong.partition('=')[0]}: " in capsys.readouterr().err
