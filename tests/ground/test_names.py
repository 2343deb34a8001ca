"""Hostile names in every command give one error with key, name and rule, and nothing is written."""

import re
import runpy
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.cli import command_line
from pipeline.cli import verify as cli_verify
from pipeline.cli.check import check_params
from pipeline.ground import lifetime
from pipeline.ground.errors import InputError
from pipeline.ground.names import (
    NAME_RULE,
    check_name,
    shown,
)
from pipeline.ground.params import load_cluster, load_dataset
from pipeline.ground.paths import PROFILES, RESULTS, ROOT
from pipeline.judge.chain import Break
from pipeline.protocol.params import load_params, load_run
from pipeline.verify.verify import Verified

HOSTILE = (
    *(
        "digits-lr0.1",
        "digits small",
        "../up",
        "../../escaped",
        "/tmp/escaped",
        "x@y",
        "digits;touch pwn",
        "$(touch pwn)",
    ),
    *(
        "`touch pwn`",
        "'",
        '"',
        "-rf",
        "--help",
        "a\nb",
        "a\x00b",
        "a\\b",
        "*",
        "[x]",
        "~",
        "..",
        "é",
        "x" * 100,
        "x" * 5000,
        "",
    ),
    *("nul", "COM1", "audit-checkpoint"),
)
IDS = [ascii(name[:20]) for name in HOSTILE]
NAMES = pytest.mark.parametrize(
    "names",
    [pytest.param(HOSTILE[::8], id="some"), pytest.param(HOSTILE, id="all", marks=pytest.mark.long)],
)
PLACES = ("datasets", "experiments", "runs", "profile")
STAGES = ("download", "preprocess", "train", "evaluate", "report")


def written(folder: Path, place: str, name: str) -> Path:
    """params.yaml of the digits alone, in which one thing has that name."""
    content = YAML(typ="safe").load((PROFILES / "quick.yaml").read_text(encoding="utf-8"))
    names = {"datasets": "digits", "experiments": "digits", "profile": "made"} | {place: name}
    run = names["runs"] if place == "runs" else f"{names['experiments']}-0"
    content["profile"] = names["profile"]
    content["datasets"] = {names["datasets"]: content["datasets"]["digits"]}
    content["experiments"] = {names["experiments"]: content["experiments"]["digits"] | {"dataset": names["datasets"]}}
    content["runs"] = {run: {"experiment": names["experiments"], "dataset": names["datasets"], "seed": 0}}
    path = folder / "params.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)
    return path


NAMED = re.compile(": (a name has at most|this name is reserved)")
"""What is said of a name that is refused."""


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        action()
    return str(error.value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOSTILE, ids=IDS)
def test_a_hostile_name_is_refused_by_key_name_and_rule(tmp_path: Path, place: str, name: str) -> None:
    text = refused(lambda: load_params(written(tmp_path, place, name)))
    key = "profile" if place == "profile" else f"{place}.{shown(name)}"
    assert f"{key}: " in text
    assert NAME_RULE in text or "reserved" in text
    assert not any(ord(character) < 32 for character in text.replace("\n  ", ""))


def test_names_as_people_choose_them_are_taken(tmp_path: Path) -> None:
    for name in ("digits", "digits-lr01", "CIFAR10_dvs", "0", "x" * 64):
        for place in ("datasets", "experiments", "profile"):
            load_params(written(tmp_path, place, name))
    with pytest.raises(ValueError, match="at most 64"):
        check_name("x" * 65)


def test_every_recorded_experiment_has_such_a_name() -> None:
    folders = [path.name for path in RESULTS.iterdir() if path.is_dir() and path.name != "audit-checkpoint"]
    assert [check_name(name) for name in folders] == folders
    assert len(folders) > 10


@pytest.mark.parametrize("place", ["datasets", "experiments"])
def test_two_names_that_differ_only_in_case_are_refused(tmp_path: Path, place: str) -> None:
    path = written(tmp_path, place, "mine")
    content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    content[place]["Mine"] = deepcopy(content[place]["mine"])
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)
    assert f"{place}: Mine and mine differ only in case" in refused(lambda: load_params(path))
    if place == "datasets":
        assert "Mine and mine differ" in refused(lambda: load_dataset("mine", path))


def test_a_name_that_yaml_takes_for_a_number_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "datasets", "1")
    load_params(path)  # in quotes
    path.write_text(path.read_text(encoding="utf-8").replace("'1'", "1"), encoding="utf-8")
    for read in (lambda: load_params(path), lambda: load_dataset("1", path)):
        assert refused(read) == f"{path}: line 4: datasets: a key must be a string; quote it"


@pytest.fixture
def elsewhere(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands read <tmp>/inside/params.yaml and stand in <tmp>/inside; a stage's lock lies elsewhere."""
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.setattr(lifetime, "RUNS", tmp_path_factory.mktemp("runs"))
    for function in (load_params, load_run, load_dataset, load_cluster, check_params):
        monkeypatch.setattr(function, "__defaults__", (inside / "params.yaml",))
    monkeypatch.chdir(inside)
    return inside


def everything() -> set[str]:
    """What lies beside this test, and in the repository."""
    around = [path for folder in (Path.cwd(), Path.cwd().parent, ROOT) for path in folder.iterdir()]
    made = [path for name in ("data", "artifacts", "records", "results", "runs") for path in (ROOT / name).glob("*")]
    return {str(path) for path in (*around, *made) if path.name != "__pycache__"}


def ends(command: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """The error of a command that ends with 1, or 2 for its arguments, and writes nothing."""
    before = everything()
    with pytest.raises(SystemExit) as stop:
        command()
    said = capsys.readouterr().err + (stop.value.code if isinstance(stop.value.code, str) else "")
    assert stop.value.code in (1, 2) or said.startswith("error: ")
    assert everything() == before
    assert "Traceback" not in said
    return said


def stage_script(monkeypatch: pytest.MonkeyPatch, stage: str, *arguments: str) -> Callable[[], object]:
    monkeypatch.setattr(sys, "argv", [f"stages.{stage}", *arguments])
    return lambda: runpy.run_module(f"stages.{stage}", run_name="__main__")


@pytest.mark.filterwarnings("ignore:'stages:RuntimeWarning")  # runpy runs what is imported already
@pytest.mark.parametrize("place", PLACES)
@NAMES
def test_no_command_goes_on_with_a_hostile_name_in_params(
    elsewhere: Path,
    names: Sequence[str],
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in names:
        written(elsewhere, place, name)
        for command in ("check", "plan", "sweep"):
            assert NAMED.search(ends(lambda command=command: command_line.main([command]), capsys))
        for stage in STAGES:
            arguments = {"report": (), "download": ("digits",), "preprocess": ("digits",)}.get(stage, ("digits-0",))
            if place == "datasets" or stage not in ("download", "preprocess"):
                assert NAMED.search(ends(stage_script(monkeypatch, stage, *arguments), capsys))


COMMANDS: dict[str, list[str]] = {
    "use": ["use", "{}"],
    "use --data": ["use", "real-small", "--data", "{}"],
    "curves": ["curves", "{}"],
    "audit-checkpoint": ["audit-checkpoint", "{}", "--dataset", "digits", "--data", "{}"],
    "audit-checkpoint --dataset": ["audit-checkpoint", "weights", "--dataset", "{}", "--data", "shards"],
    "verify": ["verify", "{}"],
    "verify --key": ["verify", "--key", "{}"],
    "verify --root": ["verify", "no-report", "--root", "{}"],
    "sign": ["sign", "{}", "--key", "{}"],
    "oracle": ["oracle", "--authors", "{}"],
    "forensics": ["forensics", "{}", "--test-size", "100"],
}
ARGUMENTS = tuple(name for name in HOSTILE if "\x00" not in name)
"""No argument of a program holds a zero byte."""


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_command_goes_on_with_a_hostile_argument(
    elsewhere: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    written(elsewhere, "profile", "made")
    for name in (*ARGUMENTS, "l\udce1piz"):
        if name in ("..", "/tmp/escaped", "--help") or (name == "" and "oracle" in arguments):
            continue  # a folder that is there, a question, this folder
        ends(lambda name=name: command_line.main([part.format(name) for part in arguments]), capsys)


@pytest.mark.filterwarnings("ignore:'stages:RuntimeWarning")
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "report"])
@NAMES
def test_no_stage_goes_on_with_a_hostile_argument(
    elsewhere: Path,
    names: Sequence[str],
    stage: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(elsewhere, "profile", "made")
    for name in names:
        if name.startswith("-") or "\x00" in name:
            continue
        for argument in (name, f"{stage}@{name}"):
            said = ends(stage_script(monkeypatch, stage, argument), capsys)
            assert said.startswith("error: ")
            assert said.count("\n") == 1
            assert " is missing; it has digits" in said


def test_what_a_strangers_report_says_moves_no_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Verified(breaks=[], looked=["\x1b[2Jlooked"], notes=["\x1b[2Jnoted"])
    monkeypatch.setattr(cli_verify, "verify", lambda *_: said)
    cli_verify.verify_report(tmp_path, None, None)
    out = capsys.readouterr().out
    assert out.startswith("ok    \\x1b[2Jlooked\nnote  \\x1b[2Jnoted\n")
    broken = Verified(breaks=[Break(link="a", file="\x1b", expected="b", found="c")], looked=[], notes=[])
    monkeypatch.setattr(cli_verify, "verify", lambda *_: broken)
    assert "\x1b" not in refused(lambda: cli_verify.verify_report(tmp_path, None, None))


def test_of_many_broken_links_some_are_printed_and_all_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks = [Break(link="a", file=str(number), expected="b", found="c") for number in range(30)]
    monkeypatch.setattr(cli_verify, "verify", lambda *_: Verified(breaks=breaks, looked=[], notes=[]))
    first, *others, rest = refused(lambda: cli_verify.verify_report(tmp_path, None, None)).splitlines()
    assert "broken: a: 0: expected b, found c" in first
    assert len(others) == 20
    assert rest == "  and 9 more broken link(s)"


@pytest.mark.parametrize(("name", "said"), [("gone", "no such folder"), ("", "no dvc.yaml in this folder")])
def test_a_root_that_is_no_checkout_is_refused_at_once(tmp_path: Path, name: str, said: str) -> None:
    error = refused(lambda: cli_verify.verify_report(tmp_path, None, tmp_path / name))
    assert error == f"--root {tmp_path / name}: {said}; expected a checkout that ran the stages"
