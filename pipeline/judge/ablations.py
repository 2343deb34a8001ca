"""paper/ablations.csv: a printed table of accuracies, of which each row becomes a claim about a difference.

Columns: part, dataset, printed. `dataset` is a configuration of paper/claims.yaml; the row whose part is `base` has
that configuration's accuracy in the table. Any other part is what it changes, as the study's page words it: "shortcut
iand, downsampling spiking". The claim is the row's accuracy minus the base's, within the margin of the paper's first
accuracy claim about that configuration.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.ground.errors import InputError
from pipeline.ground.files import parse_json, read_text

ABLATIONS = "ablations.csv"
"""File name beside claims.yaml."""
TABLE_COLUMNS = ["part", "dataset", "printed"]
AUTHORS_ROW = "base"
"""The part of the row with the accuracy that the others are compared with."""
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(?: ?%)?")
_OUTSIDE_LISTS = re.compile(r",(?![^\[]*\])")
"""A comma that is not inside a list."""
_LONGEST = 1000
"""Characters of a value; a part with all keys of network and training has about 800."""


@dataclass(frozen=True, kw_only=True)
class PrintedRow:
    """A row of the table."""

    place: str
    """File and line."""
    part: str
    dataset: str
    printed: Decimal


def claim_files(claims: Path) -> list[Path]:
    """claims.yaml, and the table beside it if there is one."""
    return [path for path in (claims, claims.with_name(ABLATIONS)) if path == claims or path.exists()]


def ablation_claims(path: Path, content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each row but the base's: its place, and a difference claim in the form of claims.yaml, whose `content` is
    given.

    Nothing without the file. Raises InputError that names the line.
    """
    rows = list(_rows(path, content["configurations"])) if path.exists() else []
    bases = _bases(rows)
    for row in (row for row in rows if row.part != AUTHORS_ROW):
        if (base := bases.get(row.dataset)) is None:
            raise InputError(
                f"{row.place}: no row has the part {AUTHORS_ROW} and the dataset {row.dataset}; add it, with the "
                "accuracy that the table has for the authors' choices"
            )
        yield row.place, _claim(row, base, content)


def _bases(rows: list[PrintedRow]) -> dict[str, PrintedRow]:
    """The authors' row of each dataset."""
    bases: dict[str, PrintedRow] = {}
    for row in (row for row in rows if row.part == AUTHORS_ROW):
        if (first := bases.setdefault(row.dataset, row)) is not row:
            raise InputError(f"{row.place}: {first.place} is the {AUTHORS_ROW} of {row.dataset} already; keep one")
    return bases


def _rows(path: Path, configurations: Mapping[str, Any]) -> Iterator[PrintedRow]:
    text = read_text(path, "save it as UTF-8 text, comma-separated")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            place = f"{path}: line {reader.line_num}"
            if reader.line_num == 1:
                _check_columns(place, fields)
            elif fields:
                yield _row(place, [" ".join(field.split()) for field in fields], configurations)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: no row of a CSV file ({error})") from None
    if not reader.line_num:
        raise InputError(f"{path}: is empty; the first line is {','.join(TABLE_COLUMNS)}")


def _check_columns(place: str, fields: list[str]) -> None:
    if [field.strip() for field in fields] != TABLE_COLUMNS:
        raise InputError(f"{place}: the columns are {','.join(fields)[:_LONGEST]}, expected {','.join(TABLE_COLUMNS)}")


def _row(place: str, fields: list[str], configurations: Mapping[str, Any]) -> PrintedRow:
    if len(fields) != len(TABLE_COLUMNS):
        raise InputError(
            f"{place}: {len(fields)} values, expected {len(TABLE_COLUMNS)} ({', '.join(TABLE_COLUMNS)}); put a part "
            "with a comma in quotes"
        )
    if (length := max(map(len, fields))) > _LONGEST:
        raise InputError(f"{place}: a value of {length:,} characters, expected at most {_LONGEST}")
    part, dataset, printed = fields
    if dataset not in configurations:
        raise InputError(f"{place}: dataset is {dataset!r}, expected one of {', '.join(configurations)}")
    number = _PERCENT.fullmatch(printed)
    if not number or Decimal(number[1]) > 100:
        raise InputError(f"{place}: printed is {printed!r}, expected a test accuracy such as 93.2 %")
    return PrintedRow(place=place, part=part, dataset=dataset, printed=Decimal(number[1]))


def _claim(row: PrintedRow, base: PrintedRow, content: Mapping[str, Any]) -> dict[str, Any]:
    """The claim; a difference of two rounded numbers is as uncertain as both, which is taken off the margin."""
    second = content["configurations"][row.dataset]
    accuracy = _accuracy_claim(row, content)
    gap, halves = row.printed - base.printed, [Decimal(5).scaleb(_digits(one) - 1) for one in (row, base)]
    return {
        "id": f"ablation-{row.dataset}-{re.sub(r'[^a-z0-9]+', '-', row.part.lower()).strip('-')}",
        "kind": "difference",
        "origin": "paper",
        "statement": f"{row.part}, instead of the authors' choice, on {second['dataset']['title']}: {row.printed} % "
        f"where theirs has {base.printed} %",
        "printed": f"{gap:+} points",
        "relation": "as printed",
        "margin": float(Decimal(str(accuracy["margin"])) - max(halves)),
        "margin_reason": f"as of {accuracy['id']}, less the rounding of a second number: {accuracy['margin_reason']}",
        "where": f"a table of the paper, entered in paper/{ABLATIONS}, {row.place.rpartition(': ')[2]}",
        "first": _changed(row, second),
        "second": second,
    }


def _digits(row: PrintedRow) -> int:
    """The power of ten of the last printed digit."""
    exponent = row.printed.as_tuple().exponent
    assert isinstance(exponent, int), "a number is finite"
    return exponent


def _accuracy_claim(row: PrintedRow, content: Mapping[str, Any]) -> dict[str, Any]:
    """The paper's first accuracy claim about the row's configuration."""
    wanted = {"kind": "accuracy", "origin": "paper", "configuration": content["configurations"][row.dataset]}
    for claim in content["claims"]:
        if isinstance(claim, dict) and {key: claim.get(key) for key in wanted} == wanted:
            return claim
    raise InputError(
        f"{row.place}: claims.yaml has no claim of kind accuracy and origin paper about {row.dataset}, whose margin "
        "the row needs; add that claim first"
    )


def _changed(row: PrintedRow, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the part's changes, such as: shortcut iand, downsampling spiking."""
    changed = {name: dict(configuration[name]) for name in ("network", "training")}
    for key, change, value in _changes(row):
        home = next((values for values in changed.values() if key in values), None)
        if home is None or not value:
            raise InputError(f"{row.place}: part has {change!r}, {_expected(key, changed)}")
        home[key] = _value(value)
    if changed == {name: configuration[name] for name in changed}:
        raise InputError(f"{row.place}: part is {row.part!r}, which {row.dataset} has already")
    return {**configuration, **changed}


def _changes(row: PrintedRow) -> Iterator[tuple[str, str, str]]:
    """Each key, with its change as written, and the value."""
    keys: set[str] = set()
    for change in map(str.strip, _OUTSIDE_LISTS.split(row.part)):
        key, _, value = change.partition(" ")
        if key in keys:
            raise InputError(f"{row.place}: part has {key} twice; keep one value of it")
        keys.add(key)
        yield key, change, value.strip()


def _expected(key: str, changed: Mapping[str, Mapping[str, Any]]) -> str:
    keys = [key for values in changed.values() for key in values]
    near = get_close_matches(key, keys, 1)
    meant = f"; did you mean {near[0]}?" if near and near[0] != key else ""
    return f"expected {AUTHORS_ROW}, or a key of network or training and its value, such as shortcut vanilla{meant}"


def _value(text: str) -> Any:
    """A number, true, false or a list as JSON writes it, else the text."""
    try:
        return parse_json(text)
    except ValueError:
        return text
