"""The command `sresnet`: profiles go into params.yaml whole, or nothing changes."""

from pathlib import Path

import pytest

from pipeline.cli import main, use_profile
from pipeline.errors import InputError
from pipeline.params import load
from pipeline.paths import PROFILES


def test_a_profile_keeps_its_comments(tmp_path: Path) -> None:
    use_profile("quick", None, 1, tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == (PROFILES / "quick.yaml").read_text(
        encoding="utf-8"
    )


def test_data_stands_where_the_profile_says(tmp_path: Path) -> None:
    for name in ("cifar10-jpeg-q75", "nmnist-small", "dvs-objects"):
        (tmp_path / "data" / name).mkdir(parents=True)
    use_profile("real-small", tmp_path / "data", 1, tmp_path / "params.yaml")
    sources = {name: dataset.download.source for name, dataset in load(tmp_path / "params.yaml").datasets.items()}
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
    runs = load(tmp_path / "params.yaml").runs
    assert [name for name in runs if name.startswith("digits-dvs")] == ["digits-dvs-0", "digits-dvs-1", "digits-dvs-2"]
    assert len(runs) == 6
    with pytest.raises(InputError, match="--seeds must be at least 1, not 0"):
        use_profile("quick", None, 0, tmp_path / "params.yaml")


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
