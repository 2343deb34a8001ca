"""The values of CITATION.cff that a report shows."""

import re
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.yaml_file import read_yaml

_KEYS = frozenset(
    {"abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords"}
    | {"license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact"}
    | {"repository-code", "title", "type", "url", "version"}
)
"""Of the Citation File Format 1.2.0, https://github.com/citation-file-format."""


def date_released(path: Path) -> str:
    """YYYY-MM-DD. Raises InputError."""
    content = read_yaml(path)
    if unknown := sorted(content.keys() - _KEYS):
        raise InputError(f"{path}: {unknown[0][:60]!r} is no key of the Citation File Format 1.2.0")
    date = content.get("date-released")
    if not isinstance(date, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.ASCII):
        raise InputError(f"{path}: date-released: expected a date in quotes, YYYY-MM-DD, found {str(date)[:60]!r}")
    return date
