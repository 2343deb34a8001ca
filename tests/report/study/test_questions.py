"""The study by question: every key has one, and sentences and labels say what the differences are."""

from dataclasses import fields, replace

import pytest

from models.config import NetworkConfig
from pipeline.protocol.config import TrainingConfig
from pipeline.report.study.answers import Answer, answered_questions
from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.labels import cost_text, interval_text, open_sentence, verdict_text
from pipeline.report.study.questions import QUESTIONS, question_of
from pipeline.report.study.steps import best_by_step
from tests.report.study.test_study import dataset_of, made


@pytest.fixture
def dataset() -> StudyDataset:
    records = [
        *made("base", [80.0, 81.0, 82.0]),
        *made("bn", [84.0, 85.1, 85.9], normalization="bn"),
        *made("no-normalization", [40.0, 42.0, 41.0], normalization="none"),
        *made("leak", [80.0, 81.5, 81.0], work=2, leak=1.0),
        *made("torn", [80.0, 15.0, 70.0], reset="zero"),
    ]
    return dataset_of(records)


def answer(name: str, *datasets: StudyDataset) -> Answer:
    return next(one for one in answered_questions(list(datasets)) if one.question.name == name)


def text(one: Answer) -> str:
    return "".join(piece.text for piece in one.sentence).replace("\u00a0", " ")


def test_every_key_of_network_and_training_belongs_to_one_question() -> None:
    keys = sorted(field.name for kind in (NetworkConfig, TrainingConfig) for field in fields(kind))
    assert sorted(key for question in QUESTIONS for key in question.keys) == keys


def test_a_part_belongs_to_the_question_that_most_of_its_changes_are_about(dataset: StudyDataset) -> None:
    cell = dataset.cells[0]
    for changes, name in (
        ({"shortcut": "iand", "downsampling": "spiking", "reset": "zero"}, "shortcut"),
        ({"time_steps": 1, "neuron": "relu"}, "spikes"),
        ({"loss": "tet", "nesterov": True, "readout": "boosting"}, "training"),
    ):
        assert question_of(replace(cell, changes=changes)).name == name


def test_a_sentence_says_what_to_take_and_what_to_leave(dataset: StudyDataset) -> None:
    """With effect, interval, dataset and operations; each number leads to its experiment."""
    found = answer("normalization", dataset)
    assert [row.part for row in found.rows] == ["bn", "no-normalization"]
    effects = [interval_text(cell.difference) for row in found.rows for cell in row.cells if cell]
    bn, none = (one.replace("\u00a0", " ") for one in effects)
    assert bn.startswith("+4.0 [+")
    cost = "on Tiny, 1.00 ×"
    assert text(found) == f"take: bn ({bn} {cost}); worse: no-normalization ({none} {cost})."
    assert [piece.run for piece in found.sentence if piece.run] == ["study-digits-bn", "study-digits-no-normalization"]


def test_a_part_that_is_better_here_and_worse_there_is_said_to_be_both(dataset: StudyDataset) -> None:
    turned = replace(dataset, cells=[worse(cell) if cell.part == "bn" else cell for cell in dataset.cells])
    assert text(answer("normalization", dataset, turned)).startswith("better on some, worse on others: bn (+4.0 [")


def worse(cell):  # type: ignore[no-untyped-def] # a cell with the opposite difference
    found = cell.difference
    return replace(cell, difference=replace(found, points=-found.points, low=-found.high, high=-found.low))


def test_without_a_better_part_the_authors_choice_stays(dataset: StudyDataset) -> None:
    assert text(answer("reset", dataset)) == "keep reset by subtraction."


def with_bn(dataset: StudyDataset, **changed: object) -> StudyDataset:
    cells = [replace(cell, **changed) if cell.part == "bn" else cell for cell in dataset.cells]  # type: ignore[arg-type]
    return replace(dataset, cells=cells)


def test_what_other_datasets_say_against_a_part_stands_beside_it(dataset: StudyDataset) -> None:
    by_itself = replace(dataset, holds=set())
    turned = replace(by_itself, cells=[worse(cell) if cell.part == "bn" else cell for cell in dataset.cells])
    for other, said in (
        (with_bn(dataset, state="unstable"), "unstable"),
        (with_bn(dataset, state="did not train"), "did not train"),
        (turned, "worse (by itself)"),
    ):
        assert f"1.00 ×; but {said} on Tiny); worse" in text(answer("normalization", dataset, other))
    against = replace(dataset, cells=[worse(cell) if cell.part == "bn" else cell for cell in dataset.cells])
    assert "; but better (by itself) on Tiny)" in text(answer("normalization", against, by_itself))


def test_windows_of_few_recordings_answer_no_question(dataset: StudyDataset) -> None:
    few = replace(dataset, name="dvs-objects")
    assert few.heading == "Tiny: windows of 5 recordings"
    assert text(answer("normalization", few)) == "keep BNTT."
    assert text(answer("normalization", dataset, few)) == text(answer("normalization", dataset))
    assert open_sentence([dataset, few]) == open_sentence([dataset])


def test_the_tables_have_energy_beside_operations(dataset: StudyDataset) -> None:
    dear = with_bn(dataset, microjoules=3 * dataset.at_base.microjoules)
    bn = next(cell for cell in dear.cells if cell.part == "bn")
    assert cost_text(dear, bn).replace("\u00a0", " ") == "1.00 ×, 3.00 × µJ"


def test_labels_say_how_many_seeds_would_decide_and_which_seeds_failed(dataset: StudyDataset) -> None:
    cells = {cell.part: cell for cell in dataset.cells}
    assert verdict_text(dataset, cells["bn"]) == "better"
    assert verdict_text(dataset, cells["leak"]) == "open, >100 seeds"
    assert verdict_text(dataset, cells["torn"]) == "unstable: seed 0 80.0 %, seed 1 15.0 %, seed 2 70.0 %"
    assert open_sentence([dataset]).startswith("1 of 3 comparisons are open; ")


def test_one_common_seed_is_open_without_a_number_of_seeds(dataset: StudyDataset) -> None:
    leak = next(cell for cell in dataset.cells if cell.part == "leak")
    assert leak.difference is not None
    alone = replace(leak, difference=replace(leak.difference, n=1))
    assert verdict_text(dataset, alone) == "open"
    cells = [alone if cell is leak else cell for cell in dataset.cells]
    assert open_sentence([replace(dataset, cells=cells)]).startswith("0 of 2 comparisons are open; ")


def test_the_best_spiking_part_after_each_step(dataset: StudyDataset) -> None:
    """leak leads after the first step, bn after the second; relu does not spike; the base has no third step."""
    steps = {"bn": [50.0, 95.0], "leak": [60.0, 70.0, 99.0], "base": [10.0, 20.0]}
    cells = [replace(cell, by_step=steps[cell.part]) for cell in dataset.cells if cell.part in steps]
    relu = replace(cells[0], part="relu", changes={"neuron": "relu"}, by_step=[97.0])
    rows = best_by_step([replace(dataset, cells=[*cells, relu])])
    assert [(row.step, row.base, [best and best[1].part for best in row.best]) for row in rows] == [
        (1, [10.0], ["leak"]),
        (2, [20.0], ["bn"]),
    ]


def test_a_dataset_with_fewer_steps_has_no_later_row(dataset: StudyDataset) -> None:
    short = replace(dataset, cells=[replace(cell, by_step=cell.by_step[:1]) for cell in dataset.cells])
    assert [(row.base[1], row.best[1]) for row in best_by_step([dataset, short])][1] == (None, None)
