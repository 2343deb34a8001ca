"""All files of a split exist, once each, and belong to one configuration."""

from pathlib import Path

import pytest

from pipeline.download.layout import split_files
from pipeline.download.listing import Member
from pipeline.ground.errors import InputError

RAW = Path("raw")


def member(name: str) -> Member:
    return Member(name, 1, RAW / name, None)


def members(*names: str) -> list[Member]:
    return [member(name) for name in names]


def error_of(*names: str) -> str:
    with pytest.raises(InputError) as error:
        split_files(RAW, members(*names))
    return str(error.value)


@pytest.mark.parametrize(
    "train",
    [
        ["train-00000-of-00001.parquet"],
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        ["train-00000-of-00002-0123456789abcdef.parquet", "train-00001-of-00002-fedcba9876543210.parquet"],
        ["train-0.parquet", "train-1.parquet", "train-2.PARQUET"],
        [f"train-{number}.parquet" for number in range(11)],
    ],
)
def test_files_come_in_the_order_of_their_numbers(train: list[str]) -> None:
    files, others = split_files(RAW, members(*reversed(train), "test-0.parquet", "validation-0.parquet", "x.parquet"))
    assert [one.id for one in files["train"]] == train
    assert [one.id for one in files["test"]] == ["test-0.parquet"]
    assert others == {"validation": 1, "x": 1}


@pytest.mark.parametrize(
    ("train", "text"),
    [
        (["train-00000-of-00005.parquet"], "1 of 5 train files; numbers 1, 2, 3, 4, counted from 0, are missing"),
        (["train-00001-of-00002.parquet"], "1 of 2 train files; numbers 0, counted from 0, are missing"),
        (["train-0.parquet", "train-2.parquet"], "2 of 3 train files; numbers 1, counted from 0, are missing"),
        (["train-00000-of-999999999.parquet"], "1 of 999999999 train files; numbers 1, 2, 3, 4, 5,"),
        (["train-00000-of-00001.parquet", "train-00000-of-00001-0123456789abcdef.parquet"], "do not belong together"),
        (["train-00000-of-00001.parquet", "train-00001-of-00002.parquet"], "do not belong together"),
        (["train-00000-of-00001.parquet", "train-0.parquet"], "do not belong together"),
        (["train-00002-of-00002.parquet", "train-00000-of-00002.parquet"], "do not belong together"),
        (
            ["train-0.parquet", "train.parquet"],
            "train.parquet: the name has no number; expected names such as train-00",
        ),
        (["train-0.parquet", "train-part1.parquet"], "train-part1.parquet: the name has no number"),
        (["more/train-0.parquet"], "2 folders, and each folder is a configuration: ., more; set download.source of"),
        ([], "no train-*.parquet among 1 Parquet file(s); expected names such as train-00000-of-00001.parquet"),
    ],
)
def test_files_that_are_missing_or_doubled_are_named(train: list[str], text: str) -> None:
    found = error_of(*train, "test-0.parquet")
    assert found.startswith("raw: ")
    assert text in found
