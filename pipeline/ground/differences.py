"""Where two values of JSON differ."""

import math
from collections.abc import Iterator
from typing import Any


class _Nothing:
    """Stands for what is not there; equal to no value of a file."""

    def __str__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def value_differences(expected: Any, found: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Places (keys and indices, joined by slashes) where two values of JSON differ, with what stands there."""
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
    """Equal, with floating-point numbers to twelve digits: another machine may add up in another order."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)
