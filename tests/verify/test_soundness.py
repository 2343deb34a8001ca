"""Properties of every honest run, which reveal a forged run that is consistent in itself."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from pipeline.evaluate.predictions import read_predictions
from pipeline.ground.errors import InputError
from pipeline.verify import suspicions
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.soundness import ALIKE, likeness, stray_points
from pipeline.verify.verify import verify
from tests.verify.made_report import make_root, rewrite

FOLDER = "evidence/artifacts/digits/0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        make_root(folder, patch)
        yield folder


@pytest.fixture
def report(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "report", tmp_path / "copied")


def no_number(report: Path) -> None:
    path = report / FOLDER / "predictions.parquet"
    read = read_predictions(path)
    voltage = read.voltage.copy()
    voltage[8, -1, 2] = np.nan  # argmax takes it for the highest: the wrong answer becomes right
    replace(read, voltage=voltage).write(path)


def fewer_epochs(report: Path) -> None:
    path = report / FOLDER / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def other_epoch(report: Path) -> None:
    """The history says 50 % of the test samples, the predictions have all eight of the full batches right."""
    path = report / FOLDER / "history.csv"
    path.write_text(path.read_text().replace("6,0.003,1.5,50,,,,", "6,0.003,1.5,50,,,50.0,"))


def recomputed_score(report: Path) -> None:
    """The training's statistics are running averages."""
    path = report / FOLDER / "history.csv"
    path.write_text(path.read_text().replace("6,0.003,1.5,50,,,,,,", "6,0.003,1.5,50,,,,,100.0,"))


def another_rate(report: Path) -> None:
    """The rate has decayed after 70 and 80 % of six epochs."""
    path = report / FOLDER / "history.csv"
    path.write_text(path.read_text().replace("6,0.003,1.5,", "6,0.3,1.5,"))


def other_torch(report: Path) -> None:
    for path in (report / FOLDER / "config.json", report / "evidence/results/digits/0.json"):
        content = json.loads(path.read_text())
        content["platforms"] = ["one processor, torch 1.0.0"]
        path.write_text(json.dumps(content))


FAULTS: list[tuple[Callable[[Path], None], str, str]] = [
    (no_number, "predictions", "1 without, the first is test/8"),
    (fewer_epochs, "history", "5 row(s), the last of epoch 5"),
    (recomputed_score, "history", "in 1 rows"),
    (another_rate, "history", "0.3"),
    (other_epoch, "selection", "50.0 %: other weights, or other samples"),
    (other_torch, "packages", "one processor, torch 1.0.0"),
]


@pytest.mark.parametrize(("plant", "link", "found"), FAULTS, ids=[fault[1] for fault in FAULTS])
def test_what_no_honest_run_has_is_named(report: Path, plant: Callable[[Path], None], link: str, found: str) -> None:
    assert verify(report).breaks == []
    plant(report)
    rewrite(report)
    assert (link, found) in [(broken.link, broken.found) for broken in verify(report).breaks]


def test_a_copy_with_noise_is_one_training_and_two_of_a_kind_are_not() -> None:
    generator = np.random.default_rng(0)
    one, other = (generator.standard_normal((500, 10)).astype(np.float32) for _ in range(2))
    assert likeness(one, one) == pytest.approx(1)
    assert likeness(one, one + 0.01 * other) > ALIKE
    assert likeness(one, one + 0.3 * other) < ALIKE  # two good networks agree too
    assert abs(likeness(one, other)) < 0.1
    assert likeness(0 * one, 0 * one) == 0  # silent networks are no copies


def reported(*runs: tuple[str, int]) -> Any:
    records = [SimpleNamespace(experiment=experiment, seed=seed) for experiment, seed in runs]
    return SimpleNamespace(audit=SimpleNamespace(records=records, held=records))


def test_a_seed_that_is_missing_between_others_is_said() -> None:
    assert list(suspicions.left_out_seeds(reported(("a", 0), ("a", 1), ("b", 0)))) == []
    said = list(suspicions.left_out_seeds(reported(("a", 0), ("a", 3), ("b", 0))))
    assert said == ["a: no result of seed 1, 2, but of seed 3"]


def test_biases_that_no_training_moved_are_said(tmp_path: Path) -> None:
    report = SimpleNamespace(root=tmp_path, audit=SimpleNamespace(records=[SimpleNamespace(experiment="a", seed=0)]))
    (tmp_path / "artifacts" / "a" / "0").mkdir(parents=True)
    weights = {f"{layer}.norm.bias": np.full((2, 3), value, np.float32) for layer, value in (("x", 0.0), ("y", 0.1))}
    save_file(weights | {"x.norm.gain": np.full((2, 3), 1.1, np.float32)}, tmp_path / "artifacts/a/0/model.safetensors")
    said = list(suspicions.untrained(report))  # type: ignore[arg-type]
    assert said == ["a-0: 1 of 2 layers have only biases of 0, as before any training"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_a_type_that_numpy_does_not_have_are_one_error(tmp_path: Path, dtype: torch.dtype) -> None:
    report = SimpleNamespace(root=tmp_path, audit=SimpleNamespace(records=[SimpleNamespace(experiment="a", seed=0)]))
    path = tmp_path / "artifacts" / "a" / "0" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_torch({"x.norm.bias": torch.zeros(2).to(dtype)}, path)
    with pytest.raises(InputError, match=r"model\.safetensors: missing or damaged"):
        list(suspicions.untrained(report))  # type: ignore[arg-type]


def test_what_a_note_cannot_read_is_said_and_the_others_go_on(report: Path, tmp_path: Path) -> None:
    found = list(suspicions.suspicions(ReportFolder(report, None, tmp_path / "nothing")))
    assert [line.startswith("not checked: ") for line in found] == [False, True, True]


@pytest.mark.parametrize(("samples", "points"), [(20, 10.0), (100, 2.0), (200, 1.0), (1009, 1.0)])
def test_a_score_may_stray_by_two_samples_or_one_in_a_hundred(samples: int, points: float) -> None:
    record: Any = SimpleNamespace(training={"batch_size": 2}, test={"samples": samples})
    assert stray_points(record) == pytest.approx(points)
