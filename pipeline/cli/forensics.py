"""`sresnet forensics`: finds which ways to score a test set can give a printed percentage."""

from collections.abc import Sequence

from pipeline.report.forensics import BATCHES, examine, forensics_table, read_printed


def examine_printed(printed: str, precision: int | None, test_size: int, batches: Sequence[int]) -> None:
    """Prints one line per way to score. Without batch sizes it tries common ones. Raises InputError."""
    print(forensics_table(examine(read_printed(printed, precision), test_size, tuple(batches) or BATCHES)))
