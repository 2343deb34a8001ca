"""JSON and YAML as typed values. All unknown, missing and mistyped keys are reported in one error that names the file.

A dataclass or TypedDict declares strictness by `__pydantic_config__`, so that its own file does not import pydantic; a
BaseModel by `model_config`.
"""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, reduce
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json

REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is an unknown key",
    "unexpected_keyword_argument": "is an unknown key",
    "missing_keyword_only": "is missing",
    "too_short": "is empty; at least one is needed",
}
"""Our messages, which replace pydantic's, by its error type."""
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_keyword_only")
MOST_PROBLEMS = 1_000
"""Maximum number of problems that one error lists, as each may take a thousand bytes."""

Typed = TypeVar("Typed")


def validate(kind: type[Typed], content: Any, path: Path, *, prefix: tuple[str, ...] = ()) -> Typed:
    """`content` as a value of this type. Raises InputError that names `path` and every wrong key under `prefix`."""
    try:
        return as_type(kind, content)
    except ValidationError as error:
        lines = _lines(content, error, prefix)
    if len(lines) == 1:
        raise InputError(f"{path}: {lines[0]}")
    raise InputError("\n  ".join([f"{path}: {len(lines)} problems", *lines]))


def as_type(kind: type[Typed], content: Any) -> Typed:
    """`content` as a value of this type. Raises ValidationError."""
    # Strict JSON mode: YAML has lists where the values are tuples, and nothing else is coerced.
    value: Typed = _adapter(kind).validate_json(json.dumps(content))  # type: ignore[arg-type] # a type is hashable
    return value


def as_json(value: Any) -> Any:
    """A dataclass or model as values of JSON, which `as_type` reads back."""
    return _adapter(type(value)).dump_python(value, mode="json")  # type: ignore[arg-type] # as above


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_as(kind: type[Typed], path: Path, what: str, remedy: str) -> Typed:
    """The content of a JSON file as a value of this type. Raises InputError: the file is not `what`, and why."""
    content = read_json(path, remedy)
    try:
        return as_type(kind, content)
    except ValidationError as error:
        raise _refusal(path, what, _lines(content, error, ()), remedy) from None


def check_parts(value: Any, kinds: Mapping[str, Any], path: Path, what: str, remedy: str) -> None:
    """Raises InputError unless the named attributes, which hold plain values, are valid for these types."""
    for name, kind in kinds.items():
        content = getattr(value, name)
        try:
            as_type(kind, content)
        except ValidationError as error:
            raise _refusal(path, what, _lines(content, error, (name,)), remedy) from None


def _refusal(path: Path, what: str, lines: list[str], remedy: str) -> InputError:
    return InputError(f"{path}: not {what} ({'; '.join(lines)}); {remedy}")


def _lines(content: Any, error: ValidationError, prefix: tuple[str, ...]) -> list[str]:
    """A line for each wrong key."""
    if error.error_count() > MOST_PROBLEMS:
        return [f"{'.'.join(prefix) or 'the top'}: {error.error_count():,} wrong values"]
    problems: dict[str, list[str]] = {}
    described = [(*_described(content, problem), problem["type"]) for problem in error.errors(include_url=False)]
    missing = [key for key, _, kind in described if kind in _MISSING]
    for key, reason, kind in described:
        meant = _nearest(content, key, missing) if kind in _UNKNOWN else ""
        problems.setdefault(names.shown(".".join((*prefix, *key))), []).append(reason + meant)
    return [f"{key}: {'; or: '.join(reasons)}".removeprefix(": ") for key, reasons in problems.items()]


def _nearest(content: Any, key: list[str], missing: list[list[str]]) -> str:
    """A question after the key that may be meant: one that is missing there, or stands there."""
    beside = reduce(lambda part, step: part[int(step) if isinstance(part, list) else step], key[:-1], content)
    names = [*(one[-1] for one in missing if one[:-1] == key[:-1]), *(str(name) for name in beside if name != key[-1])]
    found = get_close_matches(key[-1], names, 1)
    return f"; did you mean {found[0]}?" if found else ""


def _described(content: Any, problem: Any) -> tuple[list[str], str]:
    """The key of a pydantic error, and the reason in our words.

    For a union, pydantic adds the member it tried to the key; it is left out. A message of our own that begins with the
    name of a key is about that key.
    """
    key: list[str] = []
    for place in problem["loc"]:
        inside = place in content if isinstance(content, dict) else isinstance(content, list) and isinstance(place, int)
        if inside:
            content = content[place]
        if inside or (problem["type"] == "missing" and place == problem["loc"][-1]):
            key.append(str(place))
    reason = REASONS.get(problem["type"], problem["msg"]).removeprefix("Value error, ")
    if problem["type"] not in (*REASONS, "value_error"):
        return key, f"{reason}, not {json.dumps(problem['input'], default=str)[:60]}"
    first, _, rest = reason.partition(" ")
    about_key = isinstance(content, dict) and not isinstance(content.get(first, {}), dict)
    return ([*key, first], rest) if about_key else (key, reason)
