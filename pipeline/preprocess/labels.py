"""The classes of a dataset in Parquet files. A label is the number of a class; each class needs a row in each split."""

from collections.abc import Mapping

from pipeline.data.store import Split
from pipeline.ground.errors import InputError
from pipeline.preprocess.parquet import Table
from pipeline.preprocess.splits import check_classes


def class_names(tables: Mapping[Split, list[Table]], sample: str) -> tuple[str, ...]:
    """The class names from the files' metadata, or the numbers if there are none. Raises InputError.

    Labels are checked before anything is allocated by their size, because a damaged one may be any number.
    """
    everywhere = [table for found in tables.values() for table in found]
    rows: dict[Split, int] = {split: sum(len(table.labels) for table in found) for split, found in tables.items()}
    fewest = min(rows, key=rows.__getitem__)
    if rows[fewest] == 0:
        raise InputError(f"{tables[fewest][0].member.id} and other files of {fewest} have no rows; fetch them again")
    named = _names(everywhere)
    if named is None:
        _check(everywhere, rows[fewest], f"because {fewest} has {rows[fewest]} row(s) and each class needs one")
    else:
        _check(everywhere, len(named), "the classes in the metadata")
    names = named or tuple(str(number) for number in range(1 + max(_labels(everywhere))))
    for split, found in tables.items():
        check_classes(f"{split}-*.parquet", names, _labels(found), sample)
    return names


def _labels(tables: list[Table]) -> set[int]:
    return {label for table in tables for label in table.labels if label is not None}


def _names(tables: list[Table]) -> tuple[str, ...] | None:
    """The class names of those files that have some; None without any. Raises InputError if files differ."""
    first = tables[0]
    for table in tables:
        if table.label != first.label:
            raise InputError(
                f"{first.member.id} has the column {first.label}, but {table.member.id} has {table.label}; keep one"
            )
    named = [table for table in tables if table.names is not None]
    for table in named:
        if table.names != named[0].names:
            raise InputError(
                f"{named[0].member.id} and {table.member.id}: their metadata have different class names, "
                "or a different order; write both from one dataset"
            )
    return named[0].names if named else None


def _check(tables: list[Table], count: int, reason: str) -> None:
    for table in tables:
        for place, label in enumerate(table.labels):
            if label is None or not 0 <= label < count:
                expected = f"expected a class number from 0 to {count - 1}, {reason}; correct it or leave it out"
                raise InputError(f"{table.member.id}: row {place}: label {label}; {expected}")
