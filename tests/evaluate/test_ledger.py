"""The accuracy under each way to score, by hand."""

from pathlib import Path

import pytest

from pipeline.evaluate.answers import answers_of
from pipeline.evaluate.ledger import Dropped, Ledger, choices, make_ledger
from tests.evaluate.made import FIVE

AVERAGED = {"selection": "best-validation", "average_decay": 0.9, "statistics": "recomputed"}


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text("epoch,test_accuracy_authors\n1,50.5\n2,72.98\n3,72.98\n4,70\n")
    return path


def test_a_partial_batch_is_dropped_and_batches_are_averaged(history: Path) -> None:
    # Right, right, wrong, right, wrong: test batches of 2 are 1, 1/2 and, of the sample left over, 0.
    two = make_ledger(answers_of(FIVE), 1, history)
    assert (two.every_test_sample, two.full_batches_only, two.mean_of_batch_means) == (60, 75, 50)
    # A batch of 4 is 3/4; left over is the same sample.
    four = make_ledger(answers_of(FIVE), 2, history)
    assert (four.full_batches_only, four.mean_of_batch_means, four.test_batch) == (75, 37.5, 4)
    assert two.dropped == four.dropped == [Dropped(id="004", label="b", correct=False)]
    # No full batch of 6.
    six = make_ledger(answers_of(FIVE), 3, history)
    assert (six.full_batches_only, six.mean_of_batch_means, len(six.dropped)) == (None, 60, 5)
    assert [sample.correct for sample in six.dropped] == [True, True, False, True, False]


def test_the_best_test_epoch_is_read_from_the_history(history: Path) -> None:
    ledger = make_ledger(answers_of(FIVE), 1, history)
    assert (ledger.best_test_epoch, ledger.best_epoch, ledger.last_epoch) == (72.98, 2, 70)
    history.write_text("epoch,test_accuracy_authors\n1,\n2,\n")
    ledger = make_ledger(answers_of(FIVE), 1, history)
    assert (ledger.best_test_epoch, ledger.best_epoch, ledger.last_epoch) == (None, None, None)


def test_a_record_has_all_of_it(history: Path) -> None:
    ledger = make_ledger(answers_of(FIVE), 1, history)
    dropped = [Dropped(**sample) for sample in ledger.behind()["dropped"]]
    assert Ledger(**{**ledger.protocols(), **ledger.behind(), "dropped": dropped}) == ledger  # type: ignore[arg-type]


def test_points_by_hand(history: Path) -> None:
    ledger = make_ledger(answers_of(FIVE), 1, history)
    lines = choices(ledger.protocols(), ledger.behind(), AVERAGED | {"selection": "last", "average_decay": 0.0})
    assert [(line.percent, line.points) for line in lines] == [
        (60, None),
        (75, 15),
        (50, -10),
        (72.98, pytest.approx(12.98)),
        (72.98, pytest.approx(2.98)),
        (70, -5),
    ]
    assert "last epoch" in lines[0].what
    assert "epoch 2 " in lines[-2].what
    assert "statistics as trained instead of recomputed" in lines[-1].what


@pytest.mark.parametrize("changes", [{"statistics": "running"}, {"selection": "best-validation"}])
def test_the_number_as_trained_is_the_last_epochs(history: Path, changes: dict[str, str]) -> None:
    """The history does not say which epoch a validation kept."""
    ledger = make_ledger(answers_of(FIVE), 1, history)
    lines = choices(ledger.protocols(), ledger.behind(), AVERAGED | {"selection": "last"} | changes)
    assert not any("as trained" in line.what for line in lines)


def test_a_record_of_an_earlier_form_says_what_it_has() -> None:
    earlier = {"every_test_sample": 90.0, "full_batches_only": 90.5, "best_test_epoch": None}
    lines = choices(earlier, None, AVERAGED)
    assert [(line.percent, line.points) for line in lines] == [(90, None), (90.5, 0.5), (None, None), (None, None)]
    assert "best validation epoch, averaged weights, recomputed statistics" in lines[0].what
