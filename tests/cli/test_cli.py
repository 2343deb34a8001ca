"""The command `sresnet`: profiles go into params.yaml whole, or nothing changes."""

import re
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline.cli.command_line import main, use_profile
from pipeline.cli.profiles import read_profile, written
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PROFILES
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.params import load_params


def test_a_profile_keeps_its_comments(tmp_path: Path) -> None:
    use_profile("quick", None, 1, tmp_path / "params.yaml")
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
    use_profile(profile, None, 1, path := tmp_path / "params.yaml")
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
    use_profile("real-small", tmp_path / "data", 1, tmp_path / "params.yaml")
    sources = {
        name: dataset.download.source for name, dataset in load_params(tmp_path / "params.yaml").datasets.items()
    }
    assert sources["nmnist-small"] == str(tmp_path / "data" / "nmnist-small")
    assert "# n: 6n + 2 layers" in (tmp_path / "params.yaml").read_text(encoding="utf-8")


def test_missing_data_change_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"datasets\.cifar10-jpeg\.download\.source.*--data DIR"):
        use_profile("real-small", None, 1, tmp_path / "params.yaml")
    with pytest.raises(InputError, match="cifar10-jpeg-q75: not found"):
        use_profile("real-small", tmp_path, 1, tmp_path / "params.yaml")
    assert not (tmp_path / "params.yaml").exists()


def test_seeds_make_runs(tmp_path: Path) -> None:
    use_profile("quick", None, 3, tmp_path / "params.yaml")
    runs = load_params(tmp_path / "params.yaml").runs
    assert [name for name in runs if name.startswith("digits-dvs")] == ["digits-dvs-0", "digits-dvs-1", "digits-dvs-2"]
    assert len(runs) == 6
    for seeds in (0, 10**30):
        with pytest.raises(InputError, match=f"--seeds must lie in 1 to 1,000, not {seeds}"):
            use_profile("quick", None, seeds, tmp_path / "params.yaml")


@pytest.mark.parametrize("arguments", [["--help"], ["use", "--help"], ["check", "--help"]])
def test_every_command_has_a_help_text(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert "usage: sresnet" in capsys.readouterr().out


def test_an_unknown_profile_is_answered_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["use", "nothing"])
    assert stop.value.code == 2
    answer = capsys.readouterr().err
    assert all(profile in answer for profile in ("paper", "quick", "real-small"))
