"""The audit of a folder of results."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import CLAIMS, RESULTS
from pipeline.judge import audit as audits
from pipeline.judge.audit import Audit, make_audit
from pipeline.judge.claims import WeightsClaim, read_claims
from tests.judge.claimed import run


@pytest.fixture(autouse=True)
def _unbroken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "breaks", lambda *_: iter(()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The result of the digits, under another name, as the processor whose digest is claimed would have made it."""
    content = json.loads((RESULTS / "digits" / "0.json").read_text(encoding="utf-8"))
    claimed = {claim.id: claim for claim in read_claims(CLAIMS).claims}["digits-weights"]
    assert isinstance(claimed, WeightsClaim)
    platform, content["digests"]["model"] = next(iter(claimed.weights.items()))
    write(tmp_path, content | {"experiment": "renamed", "platforms": [platform]})
    run(experiment="other").write(tmp_path / "results" / "other" / "0.json")
    return tmp_path


def write(root: Path, content: dict[str, Any], predictions: bytes = b"predictions") -> None:
    """A record with what it follows from; the chain of its stages is not looked at here."""
    name = f"{content['experiment']}/{content['seed']}"
    digests = content["digests"] | {"predictions": hashlib.sha256(predictions).hexdigest()}
    write_whole(root / "results" / f"{name}.json", json.dumps(content | {"digests": digests}).encode())
    write_whole(root / "artifacts" / name / "predictions.parquet", predictions)
    data = root / "data" / "arrow" / content["dataset"]["name"]
    for path in (root / "artifacts" / name / "config.json", root / "artifacts" / name / "history.csv"):
        write_whole(path, b"made")
    for split in ("train", "test"):
        write_whole(data / f"{split}.json", json.dumps({"digest": digests[f"{split}_rows"]}).encode())
    write_whole(data / "contents.arrow", b"made")


def renamed(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "results" / "renamed" / "0.json").read_text(encoding="utf-8"))
    return content


def audit(root: Path, *current: str) -> Audit:
    return make_audit("p", CLAIMS, root, [root / "results" / name / "0.json" for name in current])


def judged(audit: Audit) -> dict[str, tuple[str, bool]]:
    return {judgement.claim: (judgement.verdict, judgement.recorded) for judgement in audit.judgements}


def test_results_are_found_by_what_they_are(root: Path) -> None:
    verdicts = judged(audit(root, "renamed"))
    assert verdicts["digits-weights"] == ("REPRODUCED", False)
    assert verdicts["digits-dvs-weights"] == ("NOT RUN", False)


def test_what_another_run_computed_is_said(root: Path) -> None:
    assert judged(audit(root, "other"))["digits-weights"] == ("REPRODUCED", True)


PREDICTIONS = "artifacts/renamed/0/predictions.parquet"
MISSING: dict[str, bytes | None] = {
    PREDICTIONS: None,
    "artifacts/renamed/0/history.csv": None,
    "data/arrow/digits/contents.arrow": None,
    "data/arrow/digits/test.json": b'{"digest": "of other rows"}',
}


@pytest.mark.parametrize(("name", "content"), [*MISSING.items(), (PREDICTIONS, b"others")])
def test_a_recorded_result_without_its_evidence_decides_nothing(root: Path, name: str, content: bytes | None) -> None:
    (root / name).unlink()
    if content is not None:
        (root / name).write_bytes(content)
    made = audit(root, "other")
    assert judged(made)["digits-weights"] == ("NOT RUN", False)
    assert [record.experiment for record in made.unchecked] == ["renamed"]
    reason = next(one.reason for one in made.judgements if one.claim == "digits-accuracy")
    assert "1 recorded result(s) of it are not checked and do not count" in reason


def test_a_copy_under_another_name_takes_the_verdict_away(root: Path) -> None:
    write(root, renamed(root) | {"experiment": "copy", "seed": 1})
    assert judged(audit(root, "renamed"))["digits-accuracy"][0] == "NOT COMPARABLE"


def test_the_same_seed_of_another_profile_counts_once_as_this_one_did_it(root: Path) -> None:
    """Also where another processor had made other weights of it."""
    content = renamed(root)
    write(root, content | {"experiment": "copy", "digests": content["digests"] | {"model": "f" * 64}}, b"other")
    made = audit(root, "renamed")
    assert judged(made)["digits-weights"] == ("REPRODUCED", False)
    assert [one.evidence for one in made.judgements if one.claim == "digits-accuracy"] == [["renamed/0.json"]]
    recorded = audit(root, "other")
    assert [one.evidence for one in recorded.judgements if one.claim == "digits-accuracy"] == [["copy/0.json"]]


def test_a_record_that_was_moved_is_refused(root: Path) -> None:
    folder = root / "results" / "renamed"
    (folder / "0.json").rename(folder / "1.json")
    with pytest.raises(InputError, match="it belongs elsewhere"):
        audit(root)


def test_the_file_says_claims_verdicts_and_evidence(root: Path) -> None:
    claims = {claim["id"]: claim for claim in json.loads(audit(root, "renamed").as_json())["claims"]}
    digits = claims["digits-accuracy"]
    assert digits["printed"] == f"{digits['value']} %"
    assert digits["precision"] == pytest.approx(0.05)
    assert (digits["evidence"], digits["seeds"], digits["samples"]) == (["renamed/0.json"], [0], 355)
    assert (claims["cifar10-accuracy-v1"]["verdict"], claims["cifar10-accuracy-v1"]["value"]) == ("NOT RUN", 94.1)
