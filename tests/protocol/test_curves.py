"""Bands of recorded trainings: their false alarm rate, and the detection of trainings that leave them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli.command_line import main
from pipeline.ground.errors import InputError
from pipeline.ground.paths import RESULTS
from pipeline.protocol.bands import EpochRow
from pipeline.protocol.curves import ALARM, Curves, curves_path, read_curves, recorded, reference

CURVES = Curves(
    experiment="tiny",
    network={"width": 2},
    training={"epochs": 2, "decay_after": [70, 80]},
    data_digest="d",
    histories={
        str(seed): {"train_loss": [2.0 + d, 1.0 + d], "train_accuracy": [50.0 + d, 100.0]}
        for seed, d in enumerate((-0.1, 0.0, 0.1))
    },
)


def row(epoch: int, loss: float, accuracy: float) -> EpochRow:
    return {"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy, "validation_loss": None}


def said_of(curves: Curves, rows: list[EpochRow], seed: int) -> list[str]:
    bands = curves.bands(seed)
    return [line for row in rows for line in bands.outside(row)]


def test_the_band_can_be_redone_by_hand() -> None:
    """n = 3, mean 2, s = 0.1 at both epochs; t of two degrees of freedom at 1 - 0.05 / 4 / 2 is 8.860.

    It has a closed form: t = (2p - 1) sqrt(2 / (1 - (2p - 1)^2)). Accuracies have s = 0.1 and 0, and sqrt(0.005).
    """
    u = 1 - ALARM / 4
    reach = u * math.sqrt(2 / (1 - u * u)) * math.sqrt(4 / 3) * 0.1
    assert CURVES.band("train_loss", 9)[0] == pytest.approx((2 - reach, 2 + reach))
    reach = reach * math.sqrt(0.5) + 0.1
    assert CURVES.band("train_accuracy", 9)[1] == pytest.approx((100 - reach, 100 + reach))


def test_a_seed_is_not_compared_with_itself() -> None:
    assert CURVES.band("train_loss", 1) == []  # two others make no band
    more = Curves(**{**vars(CURVES), "histories": CURVES.histories | {"7": CURVES.histories["1"]}})
    assert len(more.band("train_loss", 1)) == 2


def test_what_leaves_the_band_is_said() -> None:
    rows = [row(1, 2.05, 50.0), row(2, 9.0, 98.0)]
    lines = said_of(CURVES, rows, 9)
    assert [line.split(" is outside")[0] for line in lines] == ["epoch 2: train_loss 9", "epoch 2: train_accuracy 98"]
    assert "outside 99.18 to 100.8, the band of 3 recorded trainings" in lines[1]
    assert CURVES.bands(9).outside(row(3, 9.0, 50.0)) == []  # an epoch that no recorded training had
    assert CURVES.bands(9).outside(row(1, math.nan, 50.0)) != []


def test_a_sound_training_is_rarely_said_to_leave() -> None:
    """2,000 simulated experiments of five recorded trainings and one more, ten epochs, normal over seeds."""
    drawn, alarms = np.random.default_rng(0), 0
    for _ in range(2000):
        values = drawn.normal(1.0, 0.1, (6, 2, 10))
        names = ("train_loss", "train_accuracy")
        histories = {str(seed): dict(zip(names, values[seed].tolist(), strict=True)) for seed in range(5)}
        curves = Curves(experiment="x", network={}, training={}, data_digest="", histories=histories)
        rows = [row(epoch + 1, *values[5, :, epoch]) for epoch in range(10)]
        alarms += bool(said_of(curves, rows, 5))
    assert alarms / 2000 <= ALARM


def finished(folder: Path, seed: int, **changes: object) -> Path:
    """A training as the stage leaves it."""
    place = folder / str(seed)
    place.mkdir(parents=True)
    config = {"seed": seed, "network": {"width": 2}, "training": {"epochs": 2}, "data_digest": "d"}
    (place / "config.json").write_text(json.dumps(config | changes))
    (place / "history.csv").write_text(f"epoch,train_loss,train_accuracy\n1,2.{seed},50\n2,1.{seed},60\n")
    return place


def test_curves_are_recorded_and_read_again(tmp_path: Path) -> None:
    curves = recorded("tiny", [finished(tmp_path, seed) for seed in (10, 2, 1)])
    assert list(curves.histories) == ["1", "2", "10"]
    assert curves.histories["2"] == {"train_loss": [2.2, 1.2], "train_accuracy": [50.0, 60.0]}
    path = curves_path(tmp_path, "tiny")
    curves.write(path)
    assert read_curves(path) == curves
    assert reference(tmp_path, "tiny", {"width": 2}, {"epochs": 2}, "d") == curves
    assert reference(tmp_path, "other", {"width": 2}, {"epochs": 2}, "d") is None


def test_another_recipe_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CURVES.write(curves_path(tmp_path, "tiny"))
    same = {"epochs": 2, "decay_after": (70, 80)}  # as the configuration has it
    assert reference(tmp_path, "tiny", {"width": 2}, same, "d") == CURVES
    assert reference(tmp_path, "tiny", {"width": 4}, same, "d") is None
    assert reference(tmp_path, "tiny", {"width": 2}, same, "e") is None
    said = capsys.readouterr().err
    assert "not compared with the reference curves: width is 4, but 2 in the reference" in said
    assert "data_digest is e, but d in the reference" in said


def test_curves_without_a_newer_value_are_of_the_authors_choice(tmp_path: Path) -> None:
    CURVES.write(curves_path(tmp_path, "tiny"))
    same = {"epochs": 2, "decay_after": (70, 80)}
    assert reference(tmp_path, "tiny", {"width": 2}, same | {"nesterov": False}, "d") == CURVES
    assert reference(tmp_path, "tiny", {"width": 2}, same | {"nesterov": True}, "d") is None


def test_what_makes_no_reference(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 finished training\(s\), but a band needs 3"):
        recorded("tiny", [finished(tmp_path / "few", seed) for seed in range(2)])
    folders = [finished(tmp_path / "other", seed, data_digest=str(seed)) for seed in range(3)]
    with pytest.raises(InputError, match=r"other/1: data_digest differs from .*other/0"):
        recorded("tiny", folders)
    for name, content in (("config.json", "["), ("config.json", "{}"), ("history.csv", "epoch\n1\n")):
        folders = [finished(tmp_path / f"{name}{len(content)}", seed) for seed in range(3)]
        (folders[1] / name).write_text(content)
        with pytest.raises(InputError, match=r"1: config\.json or history\.csv is missing or damaged .*train again"):
            recorded("tiny", folders)
    (tmp_path / "curves-tiny.json").write_text("{}")
    with pytest.raises(InputError, match=r"not a file of reference curves .*histories: is missing"):
        read_curves(tmp_path / "curves-tiny.json")


def test_the_command_asks_for_trainings() -> None:
    with pytest.raises(SystemExit, match="no-such-experiment: no finished training"):
        main(["curves", "no-such-experiment"])


@pytest.mark.parametrize("experiment", ["digits", "digits-dvs"])
def test_the_recorded_trainings_keep_to_their_own_bands(experiment: str) -> None:
    """Each of the five against the four others."""
    curves = read_curves(curves_path(RESULTS, experiment))
    assert curves is not None
    assert list(curves.histories) == ["0", "1", "2", "3", "4"]
    for seed, history in curves.histories.items():
        epochs = range(len(history["train_loss"]))
        rows = [row(e + 1, history["train_loss"][e], history["train_accuracy"][e]) for e in epochs]
        assert said_of(curves, rows, int(seed)) == []
        dead = [row(e + 1, math.log(10), 10.0) for e in epochs]  # a training that learns nothing
        lines = said_of(curves, dead, int(seed))
        assert {line.split()[2] for line in lines} == {"train_loss", "train_accuracy"}
