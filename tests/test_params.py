"""Every wrong parameter is one error that names the file and the key."""

from pathlib import Path

import pytest

from pipeline import cli
from pipeline.data.params import load_dataset
from pipeline.errors import InputError
from pipeline.params import load, load_run
from pipeline.paths import PARAMS, PROFILES


@pytest.mark.parametrize("profile", sorted(path.name for path in PROFILES.glob("*.yaml")))
def test_every_profile_is_valid_and_says_its_name(profile: str) -> None:
    read = load(PROFILES / profile)
    assert f"{read.profile}.yaml" == profile
    assert {run.experiment for run in read.runs.values()} == read.experiments.keys()


def test_the_default_profile_is_quick() -> None:
    assert PARAMS.read_text(encoding="utf-8") == (PROFILES / "quick.yaml").read_text(encoding="utf-8")


def changed(folder: Path, old: str, new: str) -> Path:
    text = (PROFILES / "quick.yaml").read_text(encoding="utf-8")
    assert old in text
    path = folder / "params.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


WRONG = {
    "an unknown key": ("      blocks: 1", "      blocks: 1\n      block: 1", r"experiments\.digits\.model.*block"),
    "a missing key": ("      leak: 0.8744\n", "", r"experiments\.digits\.model\.leak"),
    "text for a number": ("epochs: 6", "epochs: six", r"experiments\.digits\.training\.epochs.*integer"),
    "a number as text": ("momentum: 0.9", 'momentum: "0.9"', r"training\.momentum.*number"),
    "true for a number": ("batch_size: 20", "batch_size: true", r"training\.batch_size.*integer"),
    "a choice that is none": ("normalization: bntt", "normalization: layer", r"model\.normalization.*'bntt'"),
    "a value out of range": ("leak: 0.8744", "leak: 1.5", r"leak must lie in \(0, 1\]"),
    "an unknown dataset": ("    dataset: digits\n", "    dataset: letters\n", r"letters"),
    "a run of no experiment": ("{experiment: digits, ", "{experiment: letters, ", r"no experiment 'letters'"),
    "a run under another name": ("  digits-0: {", "  digits-7: {", r"must be named digits-0"),
    "frames that are not T": ("frames: 8", "frames: 5", r"time_steps is 8.*frames is 5"),
    "a tab": ("profile: quick", "profile:\tquick\n\tx", r"not valid YAML"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError, match=message) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_no_file_and_no_mapping_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sresnet use quick"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("[]\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected keys and values"):
        load(tmp_path / "params.yaml")


def test_an_unknown_dataset_or_run_is_answered_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"datasets\.letters is missing; it has digits, digits-dvs"):
        load_dataset("letters", PROFILES / "quick.yaml")
    with pytest.raises(InputError, match=r"runs\.letters-0 is missing; it has digits-0, digits-dvs-0"):
        load_run("letters-0", PROFILES / "quick.yaml")


def test_what_cannot_go_together_is_named(tmp_path: Path) -> None:
    path = changed(tmp_path, "      pixel_mean: []", "      augmentation: crop-flip\n      pixel_mean: []")
    with pytest.raises(
        InputError, match=r"digits-dvs\.training: augmentation, pixel_mean and pixel_std are for images"
    ):
        load(path)
    path = changed(tmp_path, "      <<: *network\n", "      <<: *network\n      encoding: poisson\n")
    with pytest.raises(InputError, match=r"digits-dvs\.model\.encoding must be direct"):
        load(path)
    for wrong in ("learning_rate: -0.3", "learning_rate: 0.0"):
        with pytest.raises(InputError, match="expected learning_rate above 0"):
            load(changed(tmp_path, "learning_rate: 0.3", wrong))
    with pytest.raises(InputError, match="pixel_std must be above 0"):
        load(changed(tmp_path, "pixel_std: [0.376]", "pixel_std: [0.0]"))
    with pytest.raises(InputError, match="decay_after must lie in 1 to 100"):
        load(changed(tmp_path, "decay_after: [70, 80, 90]", "decay_after: [0]"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{catalog: digits, source: null}", "{catalog: numbers, source: null}", r"catalog: there is no 'numbers'"),
        ("{split: every-fifth-tests, shards: 2", "{split: paper, shards: 2", r"split 'paper': expected one of every"),
        ("size: null", "size: 32", r"frames and size are for recordings"),
    ],
)
def test_check_knows_the_datasets(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError, match=message):
        cli.check_params(path)
