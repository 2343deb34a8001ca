"""SOURCE.json: where data/raw/<dataset> came from. What the data may be called, it does not decide (title.py)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json

SOURCE_FILE = "SOURCE.json"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What data/raw/<dataset> holds, without date, machine or path: the same data, the same bytes."""

    catalog: str
    """Name of the entry in the catalog."""
    title: str | None
    """What the user calls their own or altered data."""
    files: dict[str, str]
    """SHA-256 of each file, by its posix path."""


def read_source(raw: Path) -> Source:
    """What the stage `download` wrote of the folder `raw`. Raises InputError."""
    path = raw / SOURCE_FILE
    content = read_json(path, "run the stage `download` first")
    try:
        return Source(**content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: not as the stage `download` writes it ({error}); run that stage again") from None
