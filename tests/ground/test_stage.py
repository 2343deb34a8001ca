"""The wrapper of every stage: one clear error line, an exit code, a record."""

import json
import signal
from pathlib import Path

import pytest

from pipeline.ground import digests, stage
from pipeline.ground.digests import FileDigest
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.ground.paths import ROOT
from pipeline.ground.stage_record import read_stage_record


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "ROOT", repository(tmp_path))
    monkeypatch.setattr(stage, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(digests, "BOOK", tmp_path / "digests.json")


def refuse() -> None:
    raise InputError("params.yaml: datasets.digits is missing")


def interrupt() -> None:
    raise KeyboardInterrupt


def terminate() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:  # as Ray does while it waits
        raise KeyboardInterrupt from None


def fill_the_disk() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as file:  # a device on which every write finds no space
        file.write("x")


FAILURES = [
    (refuse, 1, "error: train@x: params.yaml: datasets.digits is missing\n"),
    (interrupt, 130, "error: train@x: interrupted; run it again to continue\n"),
    (terminate, 143, "error: train@x: terminated; run it again to continue\n"),
    (fill_the_disk, 1, "error: train@x: the disk: no space left on device; fix that and run it again\n"),
]


@pytest.mark.parametrize(("main", "code", "line"), FAILURES, ids=["input", "Ctrl-C", "SIGTERM", "full disk"])
def test_a_failure_is_one_line_and_no_record(
    main: object, code: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit) as stop:
        stage.run_stage("train@x", main)
    assert stop.value.code == code
    assert capsys.readouterr().err == line
    assert not any(tmp_path.rglob("*@x.json"))


def test_a_stage_takes_its_key_alone_and_as_dvc_gives_it() -> None:
    given = ("digits-0", "train@digits-0", "../dvc.yaml:train@digits-0")
    assert {stage.key_of("train", argument) for argument in given} == {"digits-0"}


def test_our_own_mistakes_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        stage.run_stage("train@x", lambda: stage.Done(note=str(1 // 0)))


def test_a_finished_stage_is_recorded(tmp_path: Path) -> None:
    stage.run_stage("train@x-0", lambda: stage.Done(note="trained"))
    record = read_stage_record(tmp_path / "records" / "train@x-0.json")
    assert (record.stage, record.command) == ("train@x-0", ["python", "-m", "stages.train", "x-0"])
    seed = {"experiment": "x", "dataset": "d", "seed": 0}
    assert record.parameters == {"experiments.x": {"width": 8}, "runs.x-0": seed}
    assert {"torch", "ray", "numba", "numpy"} <= record.packages.keys()
    # SHA-256 of "abc" and of nothing, from FIPS 180-2.
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert record.reads == [FileDigest(path="data/arrow/d/shard", sha256=abc, bytes=3)]
    assert [file.path for file in record.writes] == [f"artifacts/x/0/{name}" for name in TRAINED]
    assert {(file.sha256, file.bytes) for file in record.writes} == {(nothing, 0)}
    code = {file.path: file.sha256 for file in record.code}
    assert code["stages/train.py"] == sha256(ROOT / "stages" / "train.py")
    assert code["models/neuron.py"] == sha256(ROOT / "models" / "neuron.py")


def test_what_varies_from_run_to_run_is_no_part_of_the_record(tmp_path: Path) -> None:
    records = []
    for note in ("trained", "taken from runs/"):
        stage.run_stage("train@x-0", lambda note=note: stage.Done(note=note))
        records.append((tmp_path / "records" / "train@x-0.json").read_bytes())
        said = json.loads((tmp_path / "runs" / "stages" / "train@x-0.json").read_text(encoding="utf-8"))
        assert (said["stage"], said["note"]) == ("train@x-0", note)
        assert said["peak_memory_bytes"] > 1e6
        assert said["memory_bytes"] > said["peak_memory_bytes"]
        assert said["seconds"] >= 0
    assert records[0] == records[1]


TRAINED = ("config.json", "history.csv", "model.safetensors")


def repository(root: Path) -> Path:
    """With what dvc.yaml says that the training of x-0 reads and writes."""
    for name in ("models", "pipeline", "stages", "dvc.yaml"):
        (root / name).symlink_to(ROOT / name)
    runs = {"x-0": {"experiment": "x", "dataset": "d", "seed": 0}}
    (root / "params.yaml").write_text(json.dumps({"experiments": {"x": {"width": 8}}, "runs": runs}))
    (root / "data" / "arrow" / "d").mkdir(parents=True)
    (root / "data" / "arrow" / "d" / "shard").write_bytes(b"abc")
    (root / "artifacts" / "x" / "0").mkdir(parents=True)
    for name in TRAINED:
        (root / "artifacts" / "x" / "0" / name).write_bytes(b"")
    return root
