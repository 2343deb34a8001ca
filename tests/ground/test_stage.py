"""What every stage has around it: one clear line, an exit code, a record."""

import json
import signal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.evaluate.record import TABLES
from pipeline.ground import digests, stage
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.ground.paths import ROOT
from stages import evaluate, train


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "RUNS", tmp_path)
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
    (fill_the_disk, 1, "error: train@x: the disk: no space left on device; mend that and run it again\n"),
]


@pytest.mark.parametrize(("main", "code", "line"), FAILURES, ids=["input", "Ctrl-C", "SIGTERM", "full disk"])
def test_a_failure_is_one_line_and_no_record(
    main: object, code: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit) as stop:
        stage.run("train@x", main)
    assert stop.value.code == code
    assert capsys.readouterr().err == line
    assert not (tmp_path / "records").exists()


def test_a_stage_takes_its_key_alone_and_as_dvc_gives_it() -> None:
    given = ("digits-0", "train@digits-0", "../dvc.yaml:train@digits-0")
    assert {stage.key_of("train", argument) for argument in given} == {"digits-0"}


def test_our_own_mistakes_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        stage.run("train@x", lambda: done(note=str(1 // 0)))


def done(reads: tuple[Path, ...] = (), writes: tuple[Path, ...] = (), note: str = "") -> stage.Done:
    return stage.Done(reads=list(reads), writes=list(writes), parameters={"runs.x": {"seed": 0}}, note=note)


def test_a_finished_stage_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "shard").write_bytes(b"abc")
    (tmp_path / "out").write_bytes(b"")
    stage.run("train@x", lambda: done((tmp_path / "in",), (tmp_path / "out",), "trained"))
    record = json.loads((tmp_path / "records" / "train@x.json").read_text(encoding="utf-8"))
    assert (record["stage"], record["command"]) == ("train@x", ["python", "-m", "stages.train", "x"])
    assert record["peak_memory_bytes"] > 1e6
    assert record["memory_bytes"] > record["peak_memory_bytes"]
    assert record["seconds"] >= 0
    assert record["note"] == "trained"
    assert {"torch", "ray", "numba", "numpy"} <= record["packages"].keys()
    # SHA-256 of "abc" and of nothing, from FIPS 180-2.
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert record["reads"] == [{"path": (tmp_path / "in" / "shard").as_posix(), "sha256": abc, "bytes": 3}]
    assert record["writes"] == [{"path": (tmp_path / "out").as_posix(), "sha256": nothing, "bytes": 0}]
    code = {file["path"]: file["sha256"] for file in record["code"]}
    assert code["stages/train.py"] == sha256(ROOT / "stages" / "train.py")
    assert code["models/neuron.py"] == sha256(ROOT / "models" / "neuron.py")


def test_what_follows_a_stage_finds_its_record_and_fails_as_clearly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def after() -> None:
        assert (tmp_path / "records" / "train@x.json").exists()
        refuse()

    with pytest.raises(SystemExit) as stop:
        stage.run("train@x", done, after)
    assert stop.value.code == 1
    assert capsys.readouterr().err == FAILURES[0][2]


def test_a_stage_says_what_dvc_says_that_it_reads_and_writes() -> None:
    described = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, wrote in (("train", train.TRAINED), ("evaluate", evaluate.EVALUATED + TABLES)):
        done = described[name]["do"]
        outs = [*done["outs"], *done.get("metrics", []), *done.get("plots", [])]
        names = {Path(out if isinstance(out, str) else next(iter(out))).name for out in outs}
        assert names - {"${item.seed}.json"} == set(wrote)
    deps = {Path(dep).name for dep in described["evaluate"]["do"]["deps"] if dep.startswith("artifacts")}
    assert deps == set(evaluate.TRAINED)
