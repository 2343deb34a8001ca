"""answers.parquet is read back as written; for a wrong file one error names the fault."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate.answers import AboutAnswers, Answers, answers_of, read_answers, write_answers
from pipeline.evaluate.metrics import count_answers, count_predictions
from pipeline.ground.errors import InputError
from tests.evaluate.made import ABOUT, FIVE

OF_FIVE = answers_of(FIVE)
MADE_OF = AboutAnswers(**asdict(ABOUT), predictions_sha256="p")


def columns(**changes: Any) -> dict[str, Any]:
    return {"id": OF_FIVE.ids, "label": OF_FIVE.labels, "answer": tensor(OF_FIVE.steps)} | changes


def tensor(values: Any) -> Any:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(values))


def test_the_class_after_each_step_by_hand() -> None:
    """Of equal voltages the first class leads."""
    assert OF_FIVE.steps.tolist() == [[0, 0], [0, 1], [2, 0], [0, 0], [0, 0]]
    assert OF_FIVE.hits.tolist() == [True, True, False, True, False]


def test_what_is_written_is_read_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_answers(OF_FIVE, MADE_OF, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    about, read = read_answers(tmp_path / "a")
    assert (about, read.classes, read.columns()) == (MADE_OF, OF_FIVE.classes, OF_FIVE.columns())
    assert count_answers(read, None) == count_predictions(FIVE)


@pytest.mark.parametrize(("classes", "kind"), [(1, np.uint8), (256, np.uint8), (257, np.uint16), (70_000, np.uint32)])
def test_a_class_takes_no_more_bytes_than_it_needs(tmp_path: Path, classes: int, kind: type) -> None:
    about = replace(MADE_OF, classes=[str(i) for i in range(classes)])
    voltage = np.zeros((1, 2, classes), np.float32)
    voltage[:, 1, -1] = 1
    made = answers_of(replace(FIVE, about=about, ids=["a"], labels=np.array([0]), voltage=voltage))
    write_answers(made, about, tmp_path / "a")
    _, read = read_answers(tmp_path / "a")
    assert (read.steps.dtype, read.steps.tolist()) == (kind, [[0, classes - 1]])


def test_ten_thousand_samples_of_fifty_steps_are_at_most_their_bytes(tmp_path: Path) -> None:
    """Nothing can be guessed of random ones: ids and labels take 40 kB."""
    random = np.random.default_rng(0)
    about = replace(MADE_OF, classes=[str(i) for i in range(100)])
    made = Answers(
        classes=about.classes,
        ids=[f"test/{i:05}" for i in range(10_000)],
        labels=random.integers(0, 100, 10_000),
        steps=random.integers(0, 100, (10_000, 50), np.uint8),
    )
    write_answers(made, about, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size < 10_000 * 50 + 40_000


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (columns(more=OF_FIVE.labels), "its columns are id, label, answer, more, expected id, label, answer"),
        (columns(id=[*OF_FIVE.ids[:4], OF_FIVE.ids[0]]), "an id occurs twice"),
        (columns(id=[*OF_FIVE.ids[:4], None]), "a value of id is missing"),
        (columns(label=[*OF_FIVE.labels[:4].tolist(), 3]), "label is int64 from 0 to 3, expected int64 from 0 to 2"),
        (columns(label=tensor(OF_FIVE.labels[:, None])), "label has 2 axes, expected 1"),
        (columns(label=["a"] * 5), "the column label is of type string"),
        (columns(answer=OF_FIVE.labels), "Int64Array"),
        (columns(answer=[[0, 0]] * 5), "the column answer is of type list"),
        (columns(answer=tensor(OF_FIVE.steps.astype(np.uint16))), "answer is uint16 of shape"),
        (columns(answer=tensor(OF_FIVE.steps[:, :, None])), "answer is uint8 of shape"),
        (columns(answer=tensor(OF_FIVE.steps + np.uint8(1))), "answer is up to 3, expected 0 to 2"),
        ({name: values[:0] for name, values in columns().items()}, "."),
    ],
)
def test_a_wrong_column_is_one_error(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    write(tmp_path / "a.parquet", pa.table(wrong))
    with pytest.raises(InputError, match=rf"a\.parquet: not the answers of a test split \(.*({reason})"):
        read_answers(tmp_path / "a.parquet")


def write(path: Path, table: pa.Table, about: str = json.dumps(asdict(MADE_OF))) -> None:
    pq.write_table(table.replace_schema_metadata({"about": about}), path)


def test_a_column_that_stands_there_twice_is_one_error(tmp_path: Path) -> None:
    table = pa.table(columns())
    write(tmp_path / "a.parquet", table.append_column("answer", table["answer"]))
    with pytest.raises(InputError, match="its columns are id, label, answer, answer"):
        read_answers(tmp_path / "a.parquet")


@pytest.mark.parametrize("about", ["{", "{}", json.dumps(asdict(ABOUT)), json.dumps(asdict(MADE_OF) | {"more": 1})])
def test_a_wrong_description_is_one_error(tmp_path: Path, about: str) -> None:
    write(tmp_path / "a.parquet", pa.table(columns()), about)
    with pytest.raises(InputError, match=r"a\.parquet: not the answers of a test split"):
        read_answers(tmp_path / "a.parquet")


def test_another_file_is_one_error(tmp_path: Path) -> None:
    FIVE.write(tmp_path / "p.parquet")
    (tmp_path / "cut").write_bytes((tmp_path / "p.parquet").read_bytes()[:-20])
    for path in (tmp_path / "p.parquet", tmp_path / "cut", tmp_path):
        with pytest.raises(InputError, match=r"not the answers of a test split.*evaluate again"):
            read_answers(path)
    with pytest.raises(InputError, match="none: not found; the stage `evaluate` makes it"):
        read_answers(tmp_path / "none")
