"""Damaged report folders. Each is determined by the fuzzer's seed and the case number."""

import io
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.damage import OF_BYTES

KINDS = ("list", "json", "yaml", "csv", "parquet", "arrow", "rendered", "tree")
"""Of the file that is damaged; tree: files are added, removed or exchanged for something else."""
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


@dataclass(frozen=True)
class ReportCase:
    """A damage to do, by its number."""

    seed: int
    number: int
    format: str

    @property
    def drawn(self) -> Random:
        return Random(self.seed << 40 | self.number)


def make_report_case(seed: int, number: int) -> ReportCase:
    return ReportCase(seed, number, KINDS[number % len(KINDS)])


def damage(case: ReportCase, drawn: Random, report: Path) -> str:
    """Damages a report's folder; says how."""
    if case.format == "tree":
        done = drawn.choice(OF_TREES)
        return f"{done.__name__.strip('_')} {done(drawn, report)}"
    path = drawn.choice(_files(report, case.format))
    data = path.read_bytes()
    do = drawn.choice(OF_BYTES if drawn.random() < 0.3 or not OF_KINDS[case.format] else OF_KINDS[case.format])
    path.write_bytes(do(drawn, data))
    return f"{do.__name__.strip('_')} {path.relative_to(report)}"


def _files(report: Path, kind: str) -> list[Path]:
    return sorted(path for path in report.rglob("*") if path.is_file() and kind_of(path.relative_to(report)) == kind)


def kind_of(path: Path) -> str:
    """Which of KINDS a file is."""
    if path.name == "ro-crate-metadata.json":
        return "list"
    if path.parts[0] != "evidence" or "statements" in path.parts:
        return "rendered"
    return {".cff": "yaml"}.get(path.suffix, path.suffix[1:])


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


def _written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _other_column(drawn: Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    place, rows = drawn.randrange(table.num_columns), len(table)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray
    shape = drawn.choice(((rows, 1, 1), (rows, 2, 3), (rows, 3, 8, 8), (rows, 2, 3, 4, 4), (rows, 7)))
    column = drawn.choice(
        (
            pa.nulls(rows),
            pa.array([drawn.choice((None, 0, 1, -1, 2**40))] * rows, pa.int64()),
            pa.array([drawn.choice(("", "x", "x" * 100_000))] * rows),
            pa.array([[0]] * rows),
            pa.array([{"a": 1}] * rows),
            tensor(np.full(shape, drawn.choice((np.nan, np.inf, 6e4, 0)), drawn.choice(("f4", "f8", "f2")))),
            tensor(np.ones(shape, drawn.choice(("u1", "u2", "u4", "i8")))),
        )
    )
    return _written(table.set_column(place, table.schema.names[place], column))


def _other_rows(drawn: Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    rows = len(table)
    forms = [table.slice(0, 0), table.slice(1), table.take(list(range(rows))[::-1]), pa.concat_tables([table, table])]
    forms += [table.select(list(reversed(table.schema.names))), table.drop_columns(table.schema.names[0])]
    forms += [table.append_column("x", table[1]), table.replace_schema_metadata({})]
    return _written(drawn.choice(forms), **drawn.choice(({}, {"compression": "none"}, {"row_group_size": 2})))


def _other_about(drawn: Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    about = (table.schema.metadata or {}).get(b"about", b'{"a": {"b": 1}}')
    return _written(table.replace_schema_metadata({"about": drawn.choice(OF_JSON)(drawn, about)}))


def _inflating(drawn: Random, data: bytes) -> bytes:
    """Few bytes that stand for many: repeated values, which Parquet writes as one and a number."""
    table = pq.read_table(io.BytesIO(data))
    times = drawn.choice((1000, 20_000))
    columns = [pa.concat_arrays([table[name].combine_chunks().slice(0, 1)] * times) for name in table.schema.names]
    return _written(pa.table(columns, schema=table.schema))


def _arrow_table(data: bytes) -> pa.Table:
    return pa.ipc.open_file(io.BytesIO(data)).read_all()


def _arrow_written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=5)
    return file.getvalue()


def _other_arrow(drawn: Random, data: bytes) -> bytes:
    table = _arrow_table(data)
    place = drawn.randrange(table.num_columns)
    nothing = pa.array([None] * len(table), table.schema.field(place).type)
    forms = [
        table.slice(0, 0),
        table.slice(3),
        pa.concat_tables([table, table]),
        table.drop_columns(table.schema.names[place]),
        table.append_column("x", table[place]),
        table.set_column(place, table.schema.names[place], nothing),
        table.set_column(place, table.schema.names[place], table[place].dictionary_encode()),
        table.set_column(0, "split", pa.array(["train"] * len(table))),
        table.set_column(2, "label", pa.array([drawn.choice((-1, 2**62, 7))] * len(table))),
    ]
    return _arrow_written(drawn.choice(forms))


def _compressed(drawn: Random, data: bytes) -> bytes:
    table = pa.concat_tables([_arrow_table(data).slice(0, 1)] * drawn.choice((18, 5000))).combine_chunks()
    return _arrow_written(table, compression=drawn.choice(("zstd", "lz4")))


def _pick(drawn: Random, report: Path) -> Path:
    return drawn.choice(sorted(path for path in report.rglob("*") if path.is_file()))


def _removed(drawn: Random, report: Path) -> Path:
    path = _pick(drawn, report)
    path.unlink()
    return path.relative_to(report)


def _removed_folder(drawn: Random, report: Path) -> Path:
    path = _pick(drawn, report).parent
    shutil.rmtree(path)
    return path.relative_to(report)


def _added(drawn: Random, report: Path) -> Path:
    near = _pick(drawn, report)
    names = ("x", "x.json", "7.json", ".x", "x\nx", "\udc80", "key.pem", "report.dsse.json", "x" * 250, near.name + "~")
    path = near.with_name(drawn.choice(names))
    path.write_bytes(drawn.choice((b"", b"{}", near.read_bytes(), drawn.randbytes(100))))
    return path.relative_to(report)


def _exchanged(drawn: Random, report: Path) -> Path:
    """One file has another's content."""
    path, other = _pick(drawn, report), _pick(drawn, report)
    shutil.copyfile(other, path) if path != other else None
    return path.relative_to(report)


def _no_file(drawn: Random, report: Path) -> Path:
    """A link, a pipe, a socket or a folder in the place of a file."""
    path = _pick(drawn, report)
    path.unlink()
    form = drawn.randrange(6)
    if form == 0:
        os.mkfifo(path)
    elif form == 1:
        path.mkdir()
    elif form == 2:
        path.symlink_to(drawn.choice(("/dev/zero", "/etc/passwd", "nowhere", path.name, ".", "/")))
    elif form == 3:
        _bind(path)
    elif form == 4:
        path.symlink_to(_pick(drawn, report))
    else:
        path.write_bytes(b"")
    return path.relative_to(report)


def _bind(path: Path) -> None:
    """A socket; the path of one has a hundred bytes at most."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _deep(drawn: Random, report: Path) -> Path:
    path = report
    for _ in range(drawn.choice((40, 200))):
        path /= "d"
        path.mkdir()
    return path.relative_to(report)


def _nothing(drawn: Random, report: Path) -> str:
    return ""


OF_JSON = [_other_value, _near_value, _near_value, _without, _one_more, _strange_text, _doubled_key]
OF_KINDS: dict[str, list[Callable[[Random, bytes], bytes]]] = {
    "list": [*OF_JSON, _other_path],
    "json": OF_JSON,
    "yaml": [_yaml_value, _yaml_value, _yaml_lines, _yaml_bomb],
    "csv": [_cell, _cell, _rows],
    "parquet": [_other_column, _other_column, _other_rows, _other_about, _inflating],
    "arrow": [_other_arrow, _compressed],
    "rendered": [],
}
OF_TREES: list[Callable[[Random, Path], Any]] = [
    _removed,
    _removed,
    _removed_folder,
    _added,
    _added,
    _exchanged,
    _no_file,
    _no_file,
    _deep,
    _nothing,
]
