"""Differences between two JSON values."""

import math
from collections.abc import Iterator
from typing import Any


class _Nothing:
    """Marks a missing key; equal to no JSON value."""

    def __str__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def value_differences(expected: Any, found: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Paths (keys and indices, joined by slashes) where two JSON values differ, with both values."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            yield from value_differences(
                expected.get(key, _NOTHING), found.get(key, _NOTHING), f"{where}/{key}".strip("/")
            )
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            name = one.get("id", index) if isinstance(one, dict) else index
            yield from value_differences(one, other, f"{where}/{name}".strip("/"))
    elif isinstance(expected, list) and isinstance(found, list):
        yield where, f"{len(expected)} items", f"{len(found)}"
    elif not _same(expected, found):
        yield where, expected, found


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; floats to a relative 1e-12, as another machine may sum in another order."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)
