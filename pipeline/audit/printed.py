"""The numbers and verdicts that a report's page prints, held against values that were derived anew.

In index.html each stands in an element whose attribute `data-from` says which value it is: audit/<claim>/<key>,
results/<experiment>/<seed>/<part>/<key> or summary/<verdict>.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pipeline.audit.chain import Break

NUMBER = re.compile(r"[+-]?[\d,]*\d(?:\.(\d+))?")
NOTHING = ("–", "not scored", "")
OF_A_CLAIM = ("verdict", "estimate", "low", "high")


class _Reader(HTMLParser):
    """Collects the text of every element with `data-from`, and the specifications of the charts."""

    def __init__(self) -> None:
        super().__init__()
        self.printed: list[tuple[str, str]] = []
        self.specs = ""
        self._open: str | None = None
        self._source: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if "data-from" in named or named.get("id") == "specs":
            self._open, self._source, self._text = tag, named.get("data-from"), ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag != self._open:
            return
        if self._source is None:
            self.specs = self._text
        else:
            self.printed.append((self._source, self._text.strip()))
        self._open = None


def html_breaks(path: Path, values: Mapping[str, Any], required: Iterable[str]) -> Iterator[Break]:
    """Printed numbers that are not the derived ones, required ones that are not printed, charts of others."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    for source, text in reader.printed:
        if source not in values:
            yield Break(link="page", file=path.name, expected="values of the audit", found=f"{text!r} from {source}")
        elif text != (expected := as_printed(values[source], text)):
            yield Break(link="page", file=path.name, expected=f"{expected} for {source}", found=text)
    for source in sorted(set(required) - {source for source, _ in reader.printed}):
        yield Break(link="page", file=path.name, expected=f"{values[source]} for {source}", found="nothing")
    yield from _chart_breaks(path, json.loads(reader.specs or "{}"), values)


def as_printed(value: Any, like: str) -> str:
    """A value in the form of a printed text: as many decimals, a sign or commas where the text has them."""
    if value is None:
        return like if like in NOTHING else NOTHING[0]
    if isinstance(value, str):
        return value
    form = NUMBER.fullmatch(like)
    decimals = len(form.group(1) or "") if form else 2
    sign, comma = "+" if like.startswith("+") else "", "," if "," in like else ""
    return format(value, f"{sign}{comma}.{decimals}f")


def _chart_breaks(path: Path, specs: Any, values: Mapping[str, Any]) -> Iterator[Break]:
    """Rows of charts about claims."""
    for row in _rows(specs):
        for key in OF_A_CLAIM:
            source = f"audit/{row['claim']}/{key}"
            if key in row and not same(row[key], values.get(source)):
                expected = f"{values.get(source)} for {source} in a chart"
                yield Break(link="page", file=path.name, expected=expected, found=str(row[key]))


def _rows(spec: Any) -> Iterator[dict[str, Any]]:
    if isinstance(spec, list):
        for item in spec:
            yield from _rows(item)
    elif isinstance(spec, dict):
        if isinstance(spec.get("claim"), str):
            yield spec
        for item in spec.values():
            yield from _rows(item)


def same(one: Any, other: Any) -> bool:
    """Equal, with floating-point numbers to twelve digits: another machine may add up in another order."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)


def markdown_breaks(path: Path, values: Mapping[str, Any], statements: Mapping[str, str]) -> Iterator[Break]:
    """Claims without a row that says verdict and numbers; `statements` has a claim's cell by its id."""
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    for claim, statement in statements.items():
        verdict = values[f"audit/{claim}/verdict"]
        row = next((row for row in rows if statement in row), "")
        numbers = [values[f"audit/{claim}/{key}"] for key in ("estimate", "low", "high")]
        wanted = [f"| {verdict} |"]
        if numbers[0] is not None:
            wanted += [f" {numbers[0]:.2f} ", f"[{numbers[1]:.2f}, {numbers[2]:.2f}]"]
        for text in wanted:
            if text not in row:
                yield Break(link="page", file=path.name, expected=f"{text!r} for {claim}", found=row or "no row")
