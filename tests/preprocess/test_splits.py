"""Split rules: they have names, and use the string order of the ids, whatever order the ids come in."""

import random
from dataclasses import replace

import pytest

from pipeline.download.catalog import CATALOG
from pipeline.ground.errors import InputError
from pipeline.ground.params import FolderSplit
from pipeline.preprocess.splits import Sample, split_by_class, split_recordings

CIFAR10_DVS = replace(CATALOG["cifar10-dvs"], classes=("cat", "dog"))
MINE = CATALOG["recordings"]
NMNIST = CATALOG["nmnist"]
GESTURE = CATALOG["dvs-gesture"]
SESSIONS = FolderSplit(train="monday", test="friday")


def published(cat: int = 1000, dog: int = 1000) -> list[str]:
    """The names of CIFAR10-DVS, without leading zeros: string order is not the order of the numbers."""
    counts = {"cat": cat, "dog": dog}
    return [f"{name}/cifar10_{name}_{number}.aedat" for name, count in counts.items() for number in range(count)]


def ids(samples: list[Sample]) -> list[str]:
    return [sample.id for sample in samples]


def test_the_paper_trains_on_the_first_900_of_each_class_in_string_order() -> None:
    split = split_recordings(published(), "paper", CIFAR10_DVS)
    in_order = sorted(published())
    cat, dog = in_order[:1000], in_order[1000:]
    assert ids(split["train"]) == cat[:900] + dog[:900]
    assert ids(split["test"]) == cat[900:] + dog[900:]
    tested = {int(name.removesuffix(".aedat").rpartition("_")[2]) for name in ids(split["test"])}
    # In string order 908, 909, 91, 910: the last hundred are 909, then 91 to 99 and 910 to 999.
    assert tested == {*range(91, 100), *range(909, 1000)}


@pytest.mark.parametrize(("counts", "found"), [((999, 1000), "cat has 999"), ((1000, 1001), "dog has 1001")])
def test_the_papers_rule_refuses_another_number_of_recordings(counts: tuple[int, int], found: str) -> None:
    with pytest.raises(InputError) as error:
        split_recordings(published(*counts), "paper", CIFAR10_DVS)
    assert str(error.value) == (
        f"split paper: class {found} recordings; expected 1000: fetch the missing ones, or use another rule"
    )


def test_every_fifth_of_each_class_tests() -> None:
    names = [f"{name}/{number:02}.bin" for name in ("b", "a") for number in range(11)]
    split = split_recordings(names, "every-fifth-tests", MINE)
    assert ids(split["test"]) == ["a/04.bin", "a/09.bin", "b/04.bin", "b/09.bin"]
    assert len(split["train"]) == 18


def test_a_class_counts_by_itself_wherever_its_recordings_lie() -> None:
    samples = [Sample(f"{number}", "even" if number % 2 == 0 else "odd") for number in range(10)]
    split = split_by_class(samples, "every-fifth-tests")
    assert ids(split["test"]) == ["8", "9"]
    assert ids(split["train"]) == ["0", "1", "2", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize("rule", ["every-fifth-tests", SESSIONS])
def test_the_order_in_which_a_file_system_lists_does_not_matter(rule: str | FolderSplit) -> None:
    names = [f"{day}/{name}/{number}.bin" for day in ("monday", "friday") for name in "ab" for number in range(7)]
    expected = split_recordings(names, rule, MINE)
    assert sorted(ids(expected["train"]) + ids(expected["test"])) == sorted(names)
    for seed in range(5):
        random.Random(seed).shuffle(names)
        assert split_recordings(names, rule, MINE) == expected


def test_folders_split_by_the_first_and_name_the_class_by_the_last() -> None:
    split = split_recordings(["monday/x/cup/1.bin", "friday/cup/2.bin", "friday/pen/1.bin"], SESSIONS, MINE)
    assert split["train"] == [Sample("monday/x/cup/1.bin", "cup")]
    assert split["test"] == [Sample("friday/cup/2.bin", "cup"), Sample("friday/pen/1.bin", "pen")]


def test_a_recording_directly_in_its_sessions_folder_is_its_class() -> None:
    split = split_recordings(["monday/mug.aedat", "friday/mug.aedat"], SESSIONS, MINE)
    assert split == {"train": [Sample("monday/mug.aedat", "mug")], "test": [Sample("friday/mug.aedat", "mug")]}


@pytest.mark.parametrize("rule", ["every-fifth-tests", SESSIONS])
def test_a_recording_in_no_folder_has_no_class(rule: str | FolderSplit) -> None:
    with pytest.raises(InputError, match=r"^1\.bin: is not in a folder; put it into"):
        split_recordings(["1.bin", "monday/cup/1.bin"], rule, MINE)


def test_an_image_directly_in_its_splits_folder_has_no_class() -> None:
    with pytest.raises(
        InputError, match=r"^friday/1\.png: is not in a folder; put it into a folder named by its class"
    ):
        split_recordings(["monday/cup/1.png", "friday/1.png"], SESSIONS, CATALOG["images"])


def test_a_recording_in_neither_folder_is_named() -> None:
    with pytest.raises(InputError, match=r"sunday/a/1\.bin: is in sunday; expected monday \(train\) or friday \(test"):
        split_recordings(["monday/a/1.bin", "sunday/a/1.bin"], SESSIONS, MINE)


@pytest.mark.parametrize(("only", "missing"), [("monday", "friday, the folder for test"), ("friday", "monday, the")])
def test_a_folder_without_recordings_is_named(only: str, missing: str) -> None:
    with pytest.raises(InputError, match=f"no recording in {missing}"):
        split_recordings([f"{only}/a/1.bin"], SESSIONS, MINE)


def test_official_folders_are_the_catalogs() -> None:
    split = split_recordings(["Test/7/1.bin", "Train/7/2.bin"], "official", NMNIST)
    assert split == {"train": [Sample("Train/7/2.bin", "7")], "test": [Sample("Test/7/1.bin", "7")]}


def test_a_numbered_file_is_the_class_of_its_number() -> None:
    names = ["ibmGestureTrain/user01_fluorescent/0.npy", "ibmGestureTest/user24_led/10.npy"]
    split = split_recordings(names, "official", GESTURE)
    assert split["train"][0].class_name == "hand clapping"
    assert split["test"][0].class_name == "other gestures"
    for stranger in ("11", "-1", "one"):
        with pytest.raises(InputError, match=f"{stranger}.npy: expected a number below 11 as its name"):
            split_recordings([f"ibmGestureTrain/user01/{stranger}.npy"], "official", GESTURE)


def test_an_unknown_rule_lists_those_of_the_dataset() -> None:
    with pytest.raises(InputError, match=r"preprocess\.split 'paper': expected one of every-fifth-tests"):
        split_recordings(["a/1.bin"], "paper", MINE)


@pytest.mark.parametrize("folder", ["test", "Validation"])
def test_folders_that_are_splits_are_not_mixed_by_a_rule_by_class(folder: str) -> None:
    with pytest.raises(InputError, match=rf"{folder}/a/1\.bin is in a folder {folder}, and this rule would mix it"):
        split_recordings([f"{folder}/a/1.bin", "train/a/2.bin"], "every-fifth-tests", MINE)
