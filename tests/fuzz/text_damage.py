"""Damage of JSON, YAML and CSV in a report."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

VALUES: list[Any] = [None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**63, 10**10, 10**19, 10**30, 10**4000]
VALUES += ["", "x", "0", "\ud800", "\0", "a\nb", "../../etc/passwd", "/etc/passwd", "%2e%2e/x", "x" * 100_000]
VALUES += [[], {}, [[]], [0], ["x"], {"x": 1}, [None] * 1000, list(range(5000))]
TEXTS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "[" * 40 + "]" * 40, "[" * 100_000]
TEXTS += ['{"a":' * 50 + "1" + "}" * 50, "01", "'x'", '"\\ud800"', "// x", '{"a":1,"a":2}', "[" + "0," * 200_000 + "0]"]
YAML_TEXTS = [
    "&a [*a, *a]",
    "*b",
    "!!python/object:os.system x",
    "!!binary aGk=",
    "2026-11-28",
    ".inf",
    ".nan",
    "0x" + "f" * 999,
]
YAML_TEXTS += [
    "1" * 399,
    "1e400",
    "[" * 50,
    "{a: {a: {a: 1}}}",
    "~",
    "yes",
    "'x",
    "|",
    "- x",
    "10000000000",
    "-1",
    "<<: *a",
]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)
CELLS = ["", "nan", "inf", "-1", "1e999", "0", "x", "1_0", " 1", '"', "9" * 200_000, "\0", "١", "1e5", "100000000000"]


def _places(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from _places(value, (*at, key))


def _at(content: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        content = content[key]
    return content


def _change_json(drawn: Random, data: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """Calls `change` with a container and one of its keys."""
    content = json.loads(data)
    place = drawn.choice(list(_places(content))[1:])
    change(_at(content, place[:-1]), place[-1])
    return json.dumps(content).encode()


def _other_value(drawn: Random, data: bytes) -> bytes:
    def change(container: Any, key: Any) -> None:
        container[key] = drawn.choice(VALUES)

    return _change_json(drawn, data, change)


def _near_value(drawn: Random, data: bytes) -> bytes:
    """A value of nearly the same kind."""

    def change(container: Any, key: Any) -> None:
        value = container[key]
        if isinstance(value, bool) or value is None:
            container[key] = drawn.choice((0, 1, "true", None, not value))
        elif isinstance(value, (int, float)):
            container[key] = drawn.choice((value + 1, -value, float(value), str(value), value * 10**6, value / 7))
        elif isinstance(value, str):
            container[key] = drawn.choice((value + "x", value[:-1], value.upper(), [value], value * 2))
        elif isinstance(value, list):
            container[key] = drawn.choice((value[:-1], value + value, value[::-1], [value], {"0": value}))
        else:
            container[key] = drawn.choice(([value], list(value.items()), {**value, "x": 1}, {}))

    return _change_json(drawn, data, change)


def _without(drawn: Random, data: bytes) -> bytes:
    return _change_json(drawn, data, lambda container, key: container.__delitem__(key))


def _one_more(drawn: Random, data: bytes) -> bytes:
    def change(container: Any, key: Any) -> None:
        if isinstance(container, dict):
            container[drawn.choice(("x", "", "__class__", f"{key}x"))] = container[key]
        else:
            container.append(container[key])

    return _change_json(drawn, data, change)


def _strange_text(drawn: Random, data: bytes) -> bytes:
    """What JSON has no value for, in the place of one."""
    mark = '"a place for it"'

    def change(container: Any, key: Any) -> None:
        container[key] = json.loads(mark)

    return _change_json(drawn, data, change).replace(mark.encode(), drawn.choice(TEXTS).encode())


def _doubled_key(drawn: Random, data: bytes) -> bytes:
    text = json.dumps(json.loads(data))
    start = drawn.choice([place for place, letter in enumerate(text) if letter == "{" and text[place + 1] != "}"])
    key = text[start + 1 :].split(":", 1)[0]
    return f"{text[: start + 1]}{key}: 0, {text[start + 1 :]}".encode()


def _other_path(drawn: Random, data: bytes) -> bytes:
    content = json.loads(data)
    entity = drawn.choice([entity for entity in content["@graph"] if entity["@type"] == "File"])
    entity["@id"] = drawn.choice(
        ("/etc/passwd", "../x", "a/../../x", "%2e%2e/x", "%2Fetc/passwd", "\0", "", ".", "a//b")
    )
    return json.dumps(content).encode()


def _yaml_value(drawn: Random, data: bytes) -> bytes:
    lines = data.decode().splitlines()
    place = drawn.choice([place for place, line in enumerate(lines) if ":" in line])
    lines[place] = f"{lines[place].split(':', 1)[0]}: {drawn.choice(YAML_TEXTS)}"
    return "\n".join(lines).encode()


def _yaml_lines(drawn: Random, data: bytes) -> bytes:
    lines = data.decode().splitlines()
    place = drawn.randrange(len(lines))
    forms = [lines[:place] + lines[place + 1 :], lines[: place + 1] + lines[place:], [*lines, "x: 1"], ["- x", *lines]]
    return "\n".join(drawn.choice(forms)).encode()


def _yaml_bomb(drawn: Random, data: bytes) -> bytes:
    return drawn.choice((BOMB.encode() + data, data + b"\n" + BOMB.encode(), b"x: " + b"[" * 5000, b"- " * 5000))


def _cell(drawn: Random, data: bytes) -> bytes:
    rows = [line.split(",") for line in data.decode().splitlines()]
    row = drawn.choice(rows)
    row[drawn.randrange(len(row))] = drawn.choice(CELLS)
    return "\n".join(map(",".join, rows)).encode() + b"\n"


def _rows(drawn: Random, data: bytes) -> bytes:
    lines = data.decode().splitlines()
    place = drawn.randrange(len(lines))
    forms = [
        lines[:place],
        lines[:place] + lines[place + 1 :],
        lines + lines[1:],
        lines[::-1],
        lines + [lines[-1]] * 20_000,
    ]
    forms += [[*lines, ""], [line + "," for line in lines], [line + ",x" for line in lines]]
    return "\n".join(drawn.choice(forms)).encode() + b"\n"


OF_JSON: list[Callable[[Random, bytes], bytes]] = [
    _other_value,
    _near_value,
    _near_value,
    _without,
    _one_more,
    _strange_text,
    _doubled_key,
]
OF_LIST = [*OF_JSON, _other_path]
"""Of the list of a report's files, ro-crate-metadata.json."""
OF_YAML: list[Callable[[Random, bytes], bytes]] = [_yaml_value, _yaml_value, _yaml_lines, _yaml_bomb]
OF_CSV: list[Callable[[Random, bytes], bytes]] = [_cell, _cell, _rows]
