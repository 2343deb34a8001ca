"""Sections of a document that a benchmark writes: between <!-- name --> and <!-- /name -->."""

from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole


def with_section(text: str, name: str, section: str, document: Path) -> str:
    """The text with another section of that name. Raises InputError, which names the document, without its marks."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InputError(f"{document}: no {begin} before {end}; the section stands between them")
    return f"{before}{begin}\n{section}\n{end}{after}"


def insert(document: Path, sections: dict[str, str]) -> None:
    """Replaces sections, by their names. Raises InputError."""
    text = document.read_text(encoding="utf-8")
    for name, section in sections.items():
        text = with_section(text, name, section, document)
    write_whole(document, text.encode())
