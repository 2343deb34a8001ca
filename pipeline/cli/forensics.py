"""`sresnet forensics`: which ways to score a test set can print a percentage."""

from collections.abc import Sequence

from pipeline.report.forensics import BATCHES, examine, forensics_table, read_printed


def examine_printed(printed: str, precision: int | None, test_size: int, batches: Sequence[int]) -> None:
    """Prints a line for each way to score; without batches, common ones are tried. Raises InputError."""
    print(forensics_table(examine(read_printed(printed, precision), test_size, tuple(batches) or BATCHES)))
