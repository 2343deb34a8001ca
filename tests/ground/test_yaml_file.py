"""An invalid YAML file quickly gives one error line with the position, never a traceback."""

import time
from pathlib import Path

import pytest

from pipeline.ground.errors import InputError
from pipeline.ground.yaml_file import read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12))
BROKEN: dict[str, tuple[bytes, str]] = {
    "UTF-16": ("profile: quick\n".encode("utf-16"), "not UTF-8 (byte 0xff at position 0); save it as UTF-8"),
    "Latin-1": ("title: láz\n".encode("latin-1"), "not UTF-8 (byte 0xe1 at position 8); save it as UTF-8"),
    "an alias in itself": (b"a: 1\nb: &loop [1, *loop]\n", "line 2: b.1: *loop contains itself"),
    "a mapping in itself": (b"a: &loop\n  b: *loop\n", "contains itself"),
    "a merge of itself": (b"a: &loop\n  <<: *loop\n", "contains itself"),
    "aliases without end": (BOMB.encode(), ": its aliases expand to over 1,000 times the values"),
    "merges without end": (MERGES.encode(), "its aliases expand to over 1,000 times the values"),
    "a doubled key": (b"a:\n  epochs: 1\n  epochs: 2\n", 'line 3, column 3: found duplicate key "epochs"'),
    "a NUL byte": (b"a: \x00\n", "the character 0x00 at position 3 is not allowed"),
    "a tab": (b"a:\n\tb: 1\n", "line 2, column 1: found character '\\t' that cannot start any token"),
    "nested lists": (b"a: " + b"[" * 40 + b"]" * 40, "nested more than 32 levels deep"),
    "very deeply nested lists": (b"a: " + b"[" * 100_000 + b"]" * 100_000, "nested more than 32 levels deep"),
    "nested mappings": (b"{a: " * 5000 + b"1" + b"}" * 5000, "nested more than 32 levels deep"),
    "a number of 5000 digits": (b"a: {b: " + b"9" * 5000 + b"}", "line 1: a.b: a number of 5000 digits"),
    "a date": (
        b"a:\n  b: 2024-02-29\n",
        "line 2: a.b: a value of type timestamp is not allowed; quote it if it is text",
    ),
    "bytes": (b"a: !!binary aGVsbG8=\n", "line 1: a: a value of type binary is not allowed"),
    "a set": (b"a: !!set {b, c}\n", "line 1: a: a value of type set is not allowed"),
    "an object": (b"a: !!python/object/apply:os.system [ls]\n", "line 1: a: a value of type python/object/apply:os"),
    "a tag of nobody": (b"a: !b c\n", "line 1: a: a value of type !b is not allowed"),
    "a tag that does not fit": (b"a: !!int b\n", "a value does not fit its tag"),
    "a truth that is none": (b"a: !!bool perhaps\n", "a value does not fit its tag"),
    "half of a character": (b'a: "\\ud800"\n', "line 1: a: a lone surrogate is not allowed"),
    "a key that is a number": (b"a:\n  1: b\n", "line 2: a: a key must be a string"),
    "a key that is a list": (b"? [a, b]\n: c\n", "line 1: the top: a key must be a string"),
    "a merge of a number": (b"a:\n  <<: 3\n", "expected a mapping or list of mappings for merging"),
    "an alias of nothing": (b"a: *b\n", "line 1, column 4: found undefined alias 'b'"),
    "an open bracket": (b"a: [1, 2\n", "line 2, column 1: expected ',' or ']'"),
    "two documents": (b"a: 1\n---\nb: 2\n", "line 2, column 1: but found another document"),
    "a list": (b"- a\n", "expected keys and values at the top"),
    "nothing": (b"", "expected keys and values at the top"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_one_line_that_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    start = time.process_time()
    with pytest.raises(InputError) as error:
        read_yaml(path)
    assert time.process_time() - start < 5
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert len(text.splitlines()) == 1
    assert "://" not in text


def test_plain_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("\ufeffa: &x {b: 1, c: [1.5, null, true, 'no']}\nd: {<<: *x, b: 2}\n", encoding="utf-8")
    values = [1.5, None, True, "no"]
    assert read_yaml(path) == {"a": {"b": 1, "c": values}, "d": {"b": 2, "c": values}}


def test_shared_values_are_refused_where_a_change_of_one_would_change_others(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a:\n  b: &x {c: 1}\n  d: *x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: a\.b: the anchor &x shares a value .* `sresnet use` does"):
        read_yaml(path, shared=False)


def test_a_file_that_is_missing_or_a_folder_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: not found; run it"):
        read_yaml(tmp_path / "none.yaml", "run it")
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path)
