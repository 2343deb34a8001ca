"""The numbers and verdicts that a report's page prints, held against values that were derived anew.

In index.html each stands in an element whose attribute `data-from` says which value it is: audit/<claim>/<key>,
results/<experiment>/<seed>/<part>/<key> or summary/<verdict>.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pipeline.report.chain import Break

_NUMBER = re.compile(r"[+-]?[\d,]*\d(?:\.(\d+))?")
_NO_VALUE = ("–", "not scored", "")
CLAIM_CHART_KEYS = ("verdict", "estimate", "low", "high")
_RUN_CHART_KEYS = {"accuracy": "percent", "low": "low", "high": "high"}
"""In the chart of all runs: top1_percent and so on."""


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
    """Printed numbers that are not the derived ones, required ones that are printed too seldom, charts of others."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    for source, text in reader.printed:
        if source not in values:
            yield Break(link="page", file=path.name, expected="values of the audit", found=f"{text!r} from {source}")
        elif text != (expected := as_printed(values[source], text)):
            yield Break(link="page", file=path.name, expected=f"{expected} for {source}", found=text)
    for source in sorted(Counter(required) - Counter(source for source, _ in reader.printed)):
        yield Break(link="page", file=path.name, expected=f"{values[source]} for {source}", found="fewer places")
    yield from _chart_breaks(path, json.loads(reader.specs or "{}"), values)


def as_printed(value: Any, like: str) -> str:
    """A value in the form of a printed text: as many decimals, a sign or commas where the text has them."""
    if value is None:
        return like if like in _NO_VALUE else _NO_VALUE[0]
    if isinstance(value, str):
        return value
    form = _NUMBER.fullmatch(like)
    decimals = len(form.group(1) or "") if form else 2
    sign, comma = "+" if like.startswith("+") else "", "," if "," in like else ""
    return format(value, f"{sign}{comma}.{decimals}f")


def _chart_breaks(path: Path, specs: Any, values: Mapping[str, Any]) -> Iterator[Break]:
    """Rows of the charts about all claims and runs."""
    for row in _rows(specs):
        for source, found in _charted(row):
            if not same(found, value := values.get(source)) and not same(found, in_a_chart(value)):
                expected = f"{value} for {source} in a chart"
                yield Break(link="page", file=path.name, expected=expected, found=str(found))


def _charted(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The sources of a row's values."""
    if "claim" in row:
        yield from ((f"audit/{row['claim']}/{key}", row[key]) for key in CLAIM_CHART_KEYS if key in row)
    elif "seed" in row:
        name = f"results/{row['experiment']}/{row['seed']}/test/top1"
        yield from ((f"{name}_{part}", row[key]) for key, part in _RUN_CHART_KEYS.items())


def in_a_chart(value: Any) -> Any:
    """Four digits: more than a picture shows."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _rows(spec: Any) -> Iterator[dict[str, Any]]:
    """Rows of data: the dictionaries that hold no other."""
    inside = list(spec.values()) if isinstance(spec, dict) else spec if isinstance(spec, list) else []
    if isinstance(spec, dict) and not any(isinstance(item, dict | list) for item in inside):
        yield spec
    for item in inside:
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
