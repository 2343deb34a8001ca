"""ro-crate-metadata.json: the chain as actions between files, and the public validator if it is installed."""

import hashlib
import io
import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import requests
import rocrate

from pipeline.ground.digests import FileDigest
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.ground.stage_record import StageRecord, read_stage_record
from pipeline.judge.chain import breaks, read_stage_records
from pipeline.report.crate import PROFILE, read_crate
from tests.verify.made_report import make_root

STAGES = ["download@digits", "preprocess@digits", "train@digits-0", "evaluate@digits-0", "agreement", "report"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return make_root(tmp_path_factory.mktemp("repository"), patch)


@pytest.fixture(scope="module")
def entities(report: Path) -> dict[str, Any]:
    graph = json.loads((report / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def named(entities: dict[str, Any], stage: str, part: str) -> set[str]:
    """Names of what an action read (object) or wrote (result)."""
    found = entities[f"#{stage}"][part]
    return {entities[one["@id"]]["name"] for one in (found if isinstance(found, list) else [found])}


def test_the_chain_is_followed_from_the_raw_data_to_the_verdict(entities: dict[str, Any]) -> None:
    assert named(entities, "download@digits", "result") == {
        "data/raw/digits/SOURCE.json",
        "data/raw/digits/digits.csv.gz",
    }
    assert named(entities, "preprocess@digits", "object") == {
        "data/raw/digits/SOURCE.json",
        "data/raw/digits/digits.csv.gz",
        "datasets.digits.preprocess",
    }
    shards = {f"data/arrow/digits/{part}-00000-of-00001.arrow" for part in ("train", "test")}
    assert shards < named(entities, "preprocess@digits", "result")
    assert shards < named(entities, "train@digits-0", "object")
    assert "experiments.digits" in named(entities, "train@digits-0", "object")
    weights = "artifacts/digits/0/model.safetensors"
    assert weights in named(entities, "train@digits-0", "result") & named(entities, "evaluate@digits-0", "object")
    predictions = "evidence/artifacts/digits/0/predictions.parquet"
    assert predictions in named(entities, "evaluate@digits-0", "result") & named(entities, "report", "object")
    assert "evidence/results/curves-digits.json" in named(entities, "report", "object")
    assert {"audit.json", "index.html"} < named(entities, "report", "result")


def test_it_says_what_it_is_and_lists_every_file(report: Path, entities: dict[str, Any]) -> None:
    assert entities["./"]["conformsTo"] == {"@id": PROFILE}
    assert {action["@id"] for action in entities["./"]["mentions"]} == {f"#{stage}" for stage in STAGES}
    listed = read_crate(report)
    there = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert there - listed.keys() == {"ro-crate-metadata.json", "evidence/statements/crate.json"}
    assert all(file.sha256 == sha256(report / name) for name, file in listed.items())
    action = entities["#train@digits-0"]
    requirements = entities[action["instrument"]["@id"]]["softwareRequirements"]
    assert "torch" in {entities[one["@id"]]["name"] for one in requirements}


def test_the_digest_of_code_is_that_of_sha256sum() -> None:
    code = [FileDigest(path=name, sha256=name * 64, bytes=1) for name in "ab"]
    record = StageRecord(stage="s", command=[], python="", packages={}, parameters={}, code=code, reads=[], writes=[])
    assert record.code_sha256 == hashlib.sha256(f"{'a' * 64}  a\n{'b' * 64}  b\n".encode()).hexdigest()


def test_a_statement_is_one_of_in_toto(report: Path) -> None:
    content = json.loads((report / "evidence" / "statements" / "evaluate@digits-0.json").read_text())
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["predicateType"] == "https://in-toto.io/attestation/link/v0.3"
    subjects = {one["name"]: one["digest"]["sha256"] for one in content["subject"]}
    assert subjects["results/digits/0.json"] == sha256(report / "evidence" / "results" / "digits" / "0.json")
    assert subjects["records/evaluate@digits-0.json"] == sha256(
        report / "evidence" / "records" / "evaluate@digits-0.json"
    )
    predicate = content["predicate"]
    assert predicate["command"] == ["python", "-m", "stages.evaluate", "digits-0"]
    materials = {one["name"] for one in predicate["materials"]}
    assert {"artifacts/digits/0/model.safetensors", "models/neuron.py", "stages/evaluate.py"} < materials
    assert {"python", "packages", "parameters"} == predicate["environment"].keys()


@pytest.fixture
def records(report: Path, tmp_path: Path) -> Path:
    """A copy of the folder of the stages' records."""
    return shutil.copytree(report / "evidence" / "records", tmp_path / "records")


def test_a_chain_breaks_where_a_link_is_missing(records: Path) -> None:
    assert list(breaks(records, STAGES)) == []
    (records / "preprocess@digits.json").unlink()
    without = list(breaks(records, STAGES))
    assert (without[0].file, without[0].found) == ("records/preprocess@digits.json", "none")
    assert (without[1].link, without[1].expected) == ("train@digits-0", "a file that an earlier stage wrote")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "not valid JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("{}", f"not a record of a stage ({'; '.join(f'{field.name}: is missing' for field in fields(StageRecord))})"),
        (None, "the record of another stage, download@digits"),
    ],
)
def test_a_damaged_record_is_not_called_missing(records: Path, content: str | None, found: str) -> None:
    path = records / "preprocess@digits.json"
    path.write_text(content or (records / "download@digits.json").read_text())
    first = next(breaks(records, STAGES))
    assert str(first) == (
        "preprocess@digits: records/preprocess@digits.json: expected a record of what the stage read and wrote, "
        f"found a damaged one, {found}; `dvc repro --force --single-item preprocess@digits` writes it"
    )
    assert [record.stage for record in read_stage_records(records, STAGES)] == [
        stage for stage in STAGES if stage != "preprocess@digits"
    ]


def test_what_is_no_record_and_no_crate_is_said(tmp_path: Path) -> None:
    for name, read in (
        ("train@x.json", read_stage_record),
        ("ro-crate-metadata.json", lambda path: read_crate(path.parent)),
    ):
        (tmp_path / name).write_text("{")
        with pytest.raises(InputError, match=rf"{name}: not valid JSON"):
            read(tmp_path / name)
    for text in ("{}", "[]", '{"reads": [{}], "writes": [], "code": []}'):
        (tmp_path / "train@x.json").write_text(text)
        with pytest.raises(InputError, match="not a record of a stage"):
            read_stage_record(tmp_path / "train@x.json")
    for text in ("{}", "[]", '{"@graph": [{"@id": "a", "@type": "File"}]}'):
        (tmp_path / "ro-crate-metadata.json").write_text(text)
        with pytest.raises(InputError, match="not an RO-Crate of this project"):
            read_crate(tmp_path)


@pytest.mark.filterwarnings("ignore")  # the validator's own
def test_the_public_validator_finds_nothing_that_is_required(
    report: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Process Run Crate 0.5 with RO-Crate 1.1. The context that the validator asks the network for is the library's."""
    services = pytest.importorskip("rocrate_validator.services", reason="pip install 'sresnet-repro[crate]'")
    from rocrate_validator.models import Severity, ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    context = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text(encoding="utf-8")
    asked = set()

    def answer(_: Any, url: str, **__: Any) -> requests.Response:
        asked.add(url)
        response = requests.Response()
        response.status_code, response.raw = 200, io.BytesIO(context.encode())
        response.headers["Content-Type"] = "application/ld+json"
        return response

    def issues(folder: Path) -> list[str]:
        settings = ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier="process-run-crate",
            requirement_severity=Severity.REQUIRED,
            skip_availability_check=True,
        )
        return [issue.message for issue in services.validate(settings).get_issues(Severity.REQUIRED)]

    monkeypatch.setattr(HttpRequester, "get", answer, raising=False)
    assert issues(report) == []
    assert asked == {"https://w3id.org/ro/crate/1.1/context"}
    shutil.copytree(report, tmp_path / "copied")
    metadata = tmp_path / "copied" / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"instrument"', '"agent"'))
    assert "MUST have an instrument" in " ".join(issues(tmp_path / "copied"))
