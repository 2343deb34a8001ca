"""Damaged report folders give breaks or one error, intact ones verify. Hostile files use less than a gigabyte."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate.predictions import read_predictions
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json
from pipeline.judge import claims
from tests.evaluate.made import FIVE
from tests.fuzz.folder_damage import OF_TREES
from tests.fuzz.report_damage import KINDS, damage, make_report_case
from tests.fuzz.reports import OUTCOMES, lab, run

MEMORY = 1 << 30


@pytest.fixture(autouse=True, scope="module")
def _as_before() -> Iterator[None]:
    """The lab's few claims are those of its process; the tests after these have all of them."""
    read, path = claims.read_yaml, paths.CLAIMS
    yield
    claims.read_yaml, paths.CLAIMS = read, path
    lab.cache_clear()


@pytest.mark.parametrize("cases", [40, pytest.param(400, marks=pytest.mark.long)])
def test_damaged_reports_end_in_breaks_or_a_clear_error_and_a_whole_one_holds(cases: int) -> None:
    outcomes = {run(make_report_case(1, number)) for number in range(cases)}
    assert outcomes <= set(OUTCOMES)
    assert {"breaks", "holds"} <= outcomes
    assert not lab().changed()


def test_every_kind_of_damage_is_put_back() -> None:
    assert {make_report_case(0, number).format for number in range(len(KINDS))} == set(KINDS)
    for number in range(4 * len(OF_TREES) * len(KINDS)):
        case = make_report_case(2, number)
        if case.format == "tree":
            damage(case, case.drawn, lab().folder)
            lab().put_back()
            assert not lab().changed()


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "%2e%2e/x", "%2Fetc/passwd", "a//b", "."])
def test_a_list_that_leads_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    from pipeline.report.crate import read_crate

    entity = {"@id": path, "@type": "File", "sha256": "0", "contentSize": "0"}
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps({"@graph": [entity]}))
    with pytest.raises(InputError, match=r"ro-crate-metadata\.json: .*is no path in the folder"):
        read_crate(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 33 + "]" * 33, "nested more than 32 levels"),
        ("[" * 100_000, "nested more than 32 levels"),
        ('{"a": 1, "a": 1}', "'a' occurs twice"),
        ("{" + ",".join(f'"{i}": 1' for i in range(300_000)) + ',"7": 1}', "'7' occurs twice"),
        ("NaN", "NaN is not a finite number"),
        ("1e999", "1e999 is not a finite number"),
        ("1" * 5000, "5000 digits"),
        ('"\\ud800"', "surrogates not allowed"),
    ],
)
def test_json_of_another_world_is_one_error(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=rf"x\.json: not valid JSON \(.*{reason}.*\); mend it"):
        read_json(tmp_path / "x.json", "mend it")


def _hostile(path: Path) -> None:
    """A few megabytes at most that would take hundreds or more."""
    if path.suffix == ".json":
        path.write_text("[" + "[]," * 2_300_000 + "[]]")
    elif path.suffix == ".yaml":
        path.write_text("a: [" + "1," * 3_500_000 + "]")
    elif path.suffix == ".arrow":
        columns = {"split": ["train"], "id": ["x"], "label": [0]}
        digest = pa.array([bytes(32)], pa.binary(32))
        table = pa.table({**columns, "source": digest, "content": digest})
        table = pa.concat_tables([table] * 1000).combine_chunks()
        table = pa.concat_tables([table] * 500).combine_chunks()
        with pa.ipc.new_file(str(path), table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
            file.write_table(table)
    else:
        voltage = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((100_000, 50, 20), np.float32))
        table = pa.table({"id": pa.array(["x"] * 100_000), "label": np.zeros(100_000, np.int64), "voltage": voltage})
        pq.write_table(table.replace_schema_metadata({"about": "{}"}), path, compression="zstd")


READERS = {
    "x.json": "from pipeline.ground.files import read_json; read_json(path, 'x')",
    "x.yaml": "from pipeline.ground.yaml_file import read_yaml; read_yaml(path)",
    "contents.arrow": "from pipeline.data.contents import read_contents; read_contents(path.parent)",
    "x.parquet": "from pipeline.evaluate.predictions import read_predictions; read_predictions(path)",
}


@pytest.mark.parametrize("name", READERS)
def test_a_small_hostile_file_takes_less_than_a_gigabyte(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _hostile(path)
    assert path.stat().st_size < 8_000_000
    said = f"""
import resource, sys
from pathlib import Path
from pipeline.ground.errors import InputError
resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY}, {MEMORY}))
path = Path(sys.argv[1])
try:
    {READERS[name]}
    print("read")
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", said, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = {"x.json": "read", "x.yaml": "larger than", "contents.arrow": "compressed", "x.parquet": "decompress to"}
    assert expected[name] in done.stdout


def test_pages_that_state_less_than_they_hold_are_refused(tmp_path: Path) -> None:
    """The header of a page says how many values it holds; the footer says another number of rows."""
    path = tmp_path / "p.parquet"
    FIVE.write(path)
    data = path.read_bytes()
    place = data.index(b"\x15\x0a\x15")  # five values, as Thrift writes it
    path.write_bytes(data[: place + 1] + b"\x0c" + data[place + 2 :])
    with pytest.raises(InputError, match="not the predictions of a test split"):
        read_predictions(path)
