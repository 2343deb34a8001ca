"""The authors' score of the same predictions, by hand."""

from pathlib import Path

import pytest

from pipeline.audit.protocols import best_test_epoch_accuracy, full_batches_accuracy
from tests.audit.made import FIVE


def test_a_partial_batch_is_dropped_and_batches_are_averaged() -> None:
    # Test batches of 2: (right, right), (wrong, right), then one left over.
    assert full_batches_accuracy(FIVE, 1) == 75.0
    # A batch of 4: three of four.
    assert full_batches_accuracy(FIVE, 2) == 75.0
    assert full_batches_accuracy(FIVE, 3) is None


def test_the_best_test_epoch_is_read_from_the_history(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,test_accuracy_authors\n1,50.5\n2,72.98\n3,70\n")
    assert best_test_epoch_accuracy(path) == pytest.approx(72.98)
    path.write_text("epoch,test_accuracy_authors\n1,\n2,\n")
    assert best_test_epoch_accuracy(path) is None
