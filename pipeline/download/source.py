"""SOURCE.json: where data/raw/<dataset> came from. It does not determine the dataset's title (see title.py)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json

SOURCE_FILE = "SOURCE.json"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The contents of data/raw/<dataset>, without date, machine or path, so that equal data gives equal bytes."""

    catalog: str
    """Name of the entry in the catalog."""
    title: str | None
    """The user's title for their own or altered data."""
    files: dict[str, str]
    """SHA-256 of each file, by its POSIX path."""


def read_source(raw: Path) -> Source:
    """The SOURCE.json that the stage `download` wrote in `raw`. Raises InputError."""
    path = raw / SOURCE_FILE
    content = read_json(path, "run the stage `download` first")
    try:
        return Source(**content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: not as the stage `download` writes it ({error}); run that stage again") from None
