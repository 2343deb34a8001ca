"""Bounds of the numbers in a configuration, and strict reading of its keys and types."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_type_hints

STRICT: dict[str, object] = {"extra": "forbid", "strict": True}
"""With this as a dataclass's `__pydantic_config__`, reading a file rejects extra keys and coerces no type."""


@dataclass(frozen=True)
class Within:
    """Annotates a number, or a tuple of numbers, that has to lie in `low` to `high`, both included.

    NaN is in no range.
    """

    low: float
    high: float

    def check(self, value: Any) -> Any:
        """Returns the value. Raises ValueError if it, or one of its elements, is not a number or out of range."""
        numbers = value if isinstance(value, (tuple, list)) else (value,)
        if not all(isinstance(number, (int, float)) and self.low <= number <= self.high for number in numbers):
            shown = str(list(numbers) if numbers is value else value)
            raise ValueError(f"must lie in {self.low:,} to {self.high:,}, not {shown[:60]}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """The same check as a pydantic schema, so that pydantic's error names the key. Needs no import of pydantic."""
        return {
            "type": "function-after",
            "function": {"type": "no-info", "function": self.check},
            "schema": handler(source),
        }


def check_bounds(config: object) -> None:
    """Raises ValueError that names the first field of a dataclass whose value is out of its bounds."""
    for name, bounds in _bounded(type(config)):  # type: ignore[arg-type] # a type is hashable
        try:
            bounds.check(getattr(config, name))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None


@cache
def _bounded(kind: type) -> list[tuple[str, Within]]:
    """The fields of a dataclass that have bounds."""
    hints = get_type_hints(kind, include_extras=True).items()
    return [(name, bounds) for name, hint in hints for bounds in getattr(hint, "__metadata__", ())]


Natural = Annotated[int, Within(0, 2**63 - 1)]
Positive = Annotated[int, Within(1, 2**63 - 1)]
Percent = Annotated[float, Within(0, 100)]
