"""An unreadable file gives one error that names it."""

import json
from pathlib import Path

import pytest

from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json

NO_JSON: dict[str, tuple[bytes, str]] = {
    "UTF-16": (json.dumps({"a": 1}).encode("utf-16"), "not UTF-8"),
    "Latin-1": ('{"a": "láz"}'.encode("latin-1"), "not UTF-8"),
    "nested lists": (b"[" * 100_000, "not valid JSON"),
    "a doubled key": (b'{"a": {"b": 1, "b": 2}}', "the key 'b' occurs twice"),
    "a number of 5000 digits": (b"9" * 5000, "not valid JSON"),
    "half a file": (b'{"a": ', "not valid JSON"),
    "nothing": (b"", "not valid JSON"),
}


@pytest.mark.parametrize(("content", "message"), NO_JSON.values(), ids=NO_JSON.keys())
def test_what_is_no_json_is_one_error_with_the_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "0.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_json(path, "evaluate again")
    assert len(str(error.value).splitlines()) == 1
