"""The command `sresnet`: it writes complete profiles to params.yaml, or changes nothing."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline.cli import canaries
from pipeline.cli.command_line import app, main
from pipeline.cli.profiles import read_profile, written
from pipeline.cli.use import use_profile
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import watched_run
from pipeline.ground.paths import PROFILES, ROOT
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.params import load_params


def test_a_profile_keeps_its_comments(tmp_path: Path) -> None:
    use_profile("quick", None, None, tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == (PROFILES / "quick.yaml").read_text(
        encoding="utf-8"
    )


OVERRIDES = [
    ("quick", "experiments.digits.training.momentum", 0.5),
    ("paper", "experiments.cifar10.training.epochs", 3),
    ("paper", "experiments.cifar100.training.epochs", 3),
    ("paper", "experiments.cifar10-dvs.model.leak", 0.5),
]


def leaves(content: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Values by their whole keys."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= leaves(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


@pytest.mark.parametrize(("profile", "key", "value"), OVERRIDES)
def test_an_override_of_dvc_changes_one_value(tmp_path: Path, profile: str, key: str, value: float) -> None:
    """As `dvc exp run -S` does it."""
    use_profile(profile, None, None, path := tmp_path / "params.yaml")
    before = leaves(read_yaml(path))
    apply_overrides(str(path), [f"{key}={value}"])
    assert leaves(read_yaml(path)) == before | {key: value}
    assert before[key] != value
    load_params(path)


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_a_profile_is_written_out_with_its_values_and_comments(profile: str) -> None:
    path = PROFILES / f"{profile}.yaml"
    text = written(read_profile(path)).decode()
    assert YAML(typ="safe").load(text) == read_yaml(path)
    assert not re.search(r"<<:|[:\[ ] [&*]\w", re.sub("#.*", "", text))
    assert comments(text) == comments(path.read_text(encoding="utf-8"))


def comments(text: str) -> list[str]:
    return re.findall("(?:^| )(#.*)", text)


def test_data_stands_where_the_profile_says(tmp_path: Path) -> None:
    for name in ("cifar10-jpeg-q75", "nmnist-small", "dvs-objects"):
        (tmp_path / "data" / name).mkdir(parents=True)
    use_profile("real-small", tmp_path / "data", None, tmp_path / "params.yaml")
    sources = {
        name: dataset.download.source for name, dataset in load_params(tmp_path / "params.yaml").datasets.items()
    }
    assert sources["nmnist-small"] == str(tmp_path / "data" / "nmnist-small")
    assert "# n: 6n + 2 layers" in (tmp_path / "params.yaml").read_text(encoding="utf-8")


def test_missing_data_change_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"datasets\.cifar10-jpeg\.download\.source.*--data DIR"):
        use_profile("real-small", None, None, tmp_path / "params.yaml")
    with pytest.raises(InputError, match="cifar10-jpeg-q75: not found"):
        use_profile("real-small", tmp_path, None, tmp_path / "params.yaml")
    assert not (tmp_path / "params.yaml").exists()


def test_seeds_make_runs(tmp_path: Path) -> None:
    use_profile("quick", None, 3, tmp_path / "params.yaml")
    runs = load_params(tmp_path / "params.yaml").runs
    assert [name for name in runs if name.startswith("digits-dvs")] == ["digits-dvs-0", "digits-dvs-1", "digits-dvs-2"]
    assert len(runs) == 6
    for seeds in (0, 10**30):
        with pytest.raises(InputError, match=f"--seeds must lie in 1 to 1,000, not {seeds}"):
            use_profile("quick", None, seeds, tmp_path / "params.yaml")


def test_one_seed_is_one_run_where_the_profile_has_three(tmp_path: Path) -> None:
    use_profile("study-rates", None, 1, tmp_path / "params.yaml")
    content = read_yaml(tmp_path / "params.yaml")
    assert list(content["runs"]) == [f"{experiment}-0" for experiment in content["experiments"]]


def test_data_for_a_profile_that_reads_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--data .*: profile quick reads no folder of yours; leave the option out"):
        use_profile("quick", tmp_path, None, tmp_path / "params.yaml")


def test_what_use_wrote_is_replaced_and_what_a_person_wrote_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cifar10-jpeg-q75", "nmnist-small", "dvs-objects"):
        (tmp_path / "data" / name).mkdir(parents=True)
    path = tmp_path / "params.yaml"
    for profile, data, seeds in (("paper", None, 3), ("real-small", tmp_path / "data", 1), ("quick", None, 1)):
        use_profile(profile, data, seeds, path)
        use_profile("quick", None, None, path)
    for number, comment in enumerate(("# mine", "# mine too", "# the third")):
        path.write_text(mine := f"{path.read_text(encoding='utf-8')}{comment}\n", encoding="utf-8")
        with pytest.raises(InputError, match=r"params\.yaml: has changes of your own; `sresnet use paper --force`"):
            use_profile("paper", None, None, path)
        assert path.read_text(encoding="utf-8") == mine
        use_profile("paper", None, None, path, force=True)
        kept = tmp_path / f"params.yaml.before{f'-{number + 1}' if number else ''}"
        assert kept.read_text(encoding="utf-8") == mine
        assert f"{kept}: what params.yaml was before" in capsys.readouterr().out
    path.write_text("no: profile\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"keeps it as params\.yaml\.before-4"):
        use_profile("quick", None, None, path)


COMMANDS = [command.name for command in app.registered_commands]


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=["", *COMMANDS])
def test_every_command_has_a_help_text(
    arguments: list[str], columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it: no line is longer than the terminal, no sentence is cut."""
    monkeypatch.setenv("COLUMNS", columns)
    main([*arguments, "--help"])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(" ".join(["Usage: sresnet", *arguments, "[OPTIONS]"]))
    assert lines[1].endswith(".")
    assert all(len(line) <= int(columns) and "..." not in line for line in lines)


def test_the_help_text_names_every_command_and_profile(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    listed = re.findall(r"^  ([a-z][a-z-]+) {2,}[A-Z].*\.$", capsys.readouterr().out, re.MULTILINE)
    assert listed == [command.name for command in app.registered_commands if not command.hidden]
    main(["use", "--help"])
    text = "".join(capsys.readouterr().out.split())  # a line may end at a hyphen
    assert ",".join(sorted(path.stem for path in PROFILES.glob("*.yaml"))) in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["use"], "Missing argument 'PROFILE'"),
        (["use", "quick", "--seeds", "many"], "Invalid value for '--seeds'"),
        (["use", "quick", "--seed", "3"], "No such option: --seed (Possible options: --seeds)"),
        (["sign"], "Missing option '--key'"),
        (["check", "more"], "unexpected extra argument"),
        (["forensics", "72.98", "--test-size", "9", "--batch"], "--batch"),
        (["compare-spikes", "model", "--against", "float16"], "'float16' is not one of 'reference', 'float64'"),
    ],
)
def test_wrong_usage_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    said = "".join(capsys.readouterr())
    assert message in said
    assert "Traceback" not in said


def test_an_unknown_profile_is_answered_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["use", "nothing"])
    assert stop.value.code == 2
    answer = capsys.readouterr().err
    assert all(profile in answer for profile in ("paper", "quick", "real-small"))


def test_help_is_there_in_a_moment() -> None:
    """The libraries that take long to import wait for the command that needs them."""
    code = (
        "import sys; from pipeline.cli.command_line import main; main(['--help']);"
        "print(*{'torch', 'ray', 'numpy', 'rich', 'psutil', 'ruamel'} & sys.modules.keys(), file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stderr == "\n"


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"sresnet-repro {version('sresnet-repro')}\n"


def test_an_experiment_without_trainings_is_answered_with_those_that_exist() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["curves", "nosuch"])
    assert re.match(r"error: nosuch: no finished training; .* has the experiments .*digits", str(stop.value.code))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["abc", "--test-size", "10"], "error: 'abc': expected a percentage as it was printed, such as 72.98"),
        (["101", "--test-size", "100"], "error: 101: expected a percentage of at most 100"),
        (["72.98", "--test-size", "0"], "error: a test set of 0: expected 1 to 100000 samples"),
        (["72.98", "--test-size", "-5"], "error: a test set of -5: expected 1 to 100000 samples"),
    ],
)
def test_what_forensics_cannot_examine_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["forensics", *arguments])
    assert stop.value.code == message


ENDS: list[tuple[Exception | type[BaseException], str, int]] = [
    (InputError("digits.csv: line 3"), "error: digits.csv: line 3", 1),
    (KeyboardInterrupt, "error: interrupted; run it again", 130),
    (OSError(errno.ENOSPC, "No space left on device", "shard"), "error: shard: no space left on device; fix that", 1),
]


@pytest.mark.parametrize(("error", "message", "code"), ENDS)
def test_a_command_ends_with_one_line_and_an_exit_code(
    error: BaseException, message: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(canaries, "try_canaries", fails)
    with pytest.raises(SystemExit) as stop:
        main(["canaries"])
    text = stop.value.code if isinstance(stop.value.code, str) else capsys.readouterr().err
    assert text.startswith(message)
    assert stop.value.code in (code, text)


def test_sigterm_ends_a_command_as_terminated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def terminated() -> None:
        with watched_run():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    monkeypatch.setattr(canaries, "try_canaries", terminated)
    with pytest.raises(SystemExit) as stop:
        main(["canaries"])
    assert stop.value.code == 143
    assert capsys.readouterr().err == "error: terminated; run it again\n"


def test_an_error_of_ours_is_no_line_but_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(canaries, "try_canaries", fails)
    with pytest.raises(OSError, match="Input/output error"):
        main(["canaries"])
