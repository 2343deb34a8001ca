"""A training's outputs are evaluated if complete and as in params.yaml; else one error is raised before Ray starts."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models import checkpoint
from pipeline.evaluate.evaluate import Task, evaluate_in_process
from pipeline.evaluate.trained import check_trained, read_network
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.protocol.params import ExperimentParams, RunParams
from pipeline.train.export import export
from pipeline.train.job import Job
from pipeline.train.jobs import train_in_process
from stages import evaluate
from tests.train.tiny import NETWORK, ONE, TRAINING, tiny_job

WANTED: dict[str, Any] = {
    "experiment": "tiny",
    "seed": 0,
    "dataset": "tiny",
    "network": asdict(NETWORK),
    "training": asdict(TRAINING),
}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, Path]]:
    """A finished training of a tiny network."""
    root = tmp_path_factory.mktemp("trained")
    job, threads = tiny_job(root, TRAINING), torch.get_num_threads()
    train_in_process(job, ONE)
    torch.set_num_threads(threads)
    export(job, "tiny", "tiny", root / "artifacts" / "tiny" / "0")
    yield job, root / "artifacts" / "tiny" / "0"
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def trained(once: tuple[Job, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of its files, to be made wrong, and its data."""
    return Path(shutil.copytree(once[1], tmp_path / "artifacts" / "tiny" / "0")), once[0].data


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def save_again(folder: Path, change: Callable[[dict[str, torch.Tensor]], object], **parts: Any) -> None:
    """Other weights, or other parts of the network, in the place of those that were trained."""
    model = checkpoint.load_network(folder / "model.safetensors")
    change(model.state_dict())
    model.config = replace(model.config, **parts)
    checkpoint.save_network(model, folder / "model.safetensors")


def refused(folder: Path, data: Path, wanted: dict[str, Any] = WANTED) -> str:
    with pytest.raises(InputError) as error:
        check_trained(folder, data, wanted)
    return str(error.value).removeprefix(f"{folder}/")


def test_a_sound_training_is_taken(trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    config = check_trained(*trained, WANTED)
    assert (config["seed"], config["network"]) == (0, asdict(NETWORK))
    assert capsys.readouterr().err == ""


def test_weights_that_were_changed_after_the_training_are_refused(trained: tuple[Path, Path]) -> None:
    folder, data = trained
    save_again(folder, lambda weights: weights["stem.conv.weight"].view(-1)[0].add_(1e-3))
    text = refused(folder, data)
    assert text.startswith("model.safetensors: SHA-256 ")
    assert "(config.json): the file has changed since the training wrote it; fetch it again" in text


def test_a_changed_history_is_refused(trained: tuple[Path, Path]) -> None:
    path = trained[0] / "history.csv"
    path.write_text(path.read_text().replace("\n2,", "\n3,"))
    assert refused(*trained).startswith("history.csv: SHA-256 ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 1}, "config.json: seed is 0, but 1 in params.yaml; train again"),
        ({"experiment": "other"}, "config.json: experiment is 'tiny', but 'other' in params.yaml; train again"),
        ({"network": asdict(NETWORK) | {"leak": 0.9}}, "config.json: network.leak is 0.8744, but 0.9 in params.yaml"),
        ({"training": asdict(TRAINING) | {"epochs": 9}}, "config.json: training.epochs is 2, but 9 in params.yaml"),
    ],
)
def test_a_training_of_something_else_is_refused(
    trained: tuple[Path, Path], changes: dict[str, Any], reason: str
) -> None:
    assert refused(*trained, WANTED | changes).startswith(reason)


def test_a_training_on_other_data_is_refused(trained: tuple[Path, Path]) -> None:
    edit(trained[0] / "config.json", lambda config: config.update(data_digest="0" * 64))
    assert refused(*trained).startswith(f"config.json: trained on rows {'0' * 16}, but {trained[1]} has ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON, or damaged ("),
        (b"\xff", "not JSON, or damaged ("),
        (b"[" * 100_000, "not JSON, or damaged ("),
        (b"[]", "expected keys with values, found '[]'; train again"),
        (b"{}", "experiment is None, expected str; train again"),
        (b'{"experiment": "tiny", "seed": true}', "seed is True, expected int; train again"),
    ],
)
def test_a_damaged_configuration_is_one_error(trained: tuple[Path, Path], content: bytes, reason: str) -> None:
    (trained[0] / "config.json").write_bytes(content)
    assert refused(*trained).startswith(f"config.json: {reason}")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"epoch\n1\n", b"epoch,test_accuracy_authors\none,2\n"])
def test_a_damaged_history_is_one_error(trained: tuple[Path, Path], content: bytes) -> None:
    (trained[0] / "history.csv").write_bytes(content)
    assert refused(*trained).startswith("history.csv: not the history of a training, or damaged (")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "history.csv"])
def test_a_missing_file_is_one_error(trained: tuple[Path, Path], name: str) -> None:
    (trained[0] / name).unlink()
    assert refused(*trained).startswith(f"{name}: not found; fetch it again (`dvc pull`) or train again (`dvc repro`)")


def test_a_folder_and_a_damaged_file_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder, expected a network file"):
        read_network(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 4)
    with pytest.raises(InputError, match=r"model\.safetensors: damaged, or not a safetensors file"):
        read_network(tmp_path / "model.safetensors")


@pytest.fixture
def stage_on(trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stage `evaluate` looks at this training."""
    run = RunParams(experiment="tiny", dataset="tiny", seed=0)
    experiment = ExperimentParams(dataset="tiny", model=NETWORK, training=TRAINING)
    monkeypatch.setattr(evaluate, "load_run", lambda name: (run, experiment))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "arrow", lambda dataset: trained[1])
    return trained[0]


def test_the_stage_refuses_before_anything_is_computed_or_written(stage_on: Path, tmp_path: Path) -> None:
    save_again(stage_on, lambda weights: weights["stem.norm.gain"].view(-1)[0].fill_(2.0))
    before = sorted(path.name for path in stage_on.iterdir())

    def see(task: Task, batches: list[int]) -> Any:
        pytest.fail("computed")

    with pytest.raises(InputError, match=r"model\.safetensors: SHA-256"):
        evaluate.main("tiny-0", see)
    assert sorted(path.name for path in stage_on.iterdir()) == before
    assert not (tmp_path / "results").exists()


def test_the_record_says_what_evaluated(stage_on: Path, tmp_path: Path) -> None:
    evaluate.main("tiny-0", evaluate_in_process(torch.device("cpu")))
    record = json.loads((tmp_path / "results" / "tiny" / "0.json").read_text(encoding="utf-8"))
    assert record["evaluated_by"] == record["platforms"]
