"""The audit of a folder of results."""

import json
from pathlib import Path

import pytest

from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS, RESULTS
from pipeline.judge.audit import Audit, make_audit
from pipeline.judge.claims import WeightsClaim, read_claims
from tests.judge.claimed import run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The result of the digits, under another name, as the processor whose digest is claimed would have made it."""
    content = json.loads((RESULTS / "digits" / "0.json").read_text(encoding="utf-8"))
    claimed = {claim.id: claim for claim in read_claims(CLAIMS).claims}["digits-weights"]
    assert isinstance(claimed, WeightsClaim)
    platform, content["digests"]["model"] = next(iter(claimed.weights.items()))
    content["platforms"] = [platform]
    (tmp_path / "renamed").mkdir()
    (tmp_path / "renamed" / "0.json").write_text(json.dumps(content | {"experiment": "renamed"}), encoding="utf-8")
    run(experiment="other").write(tmp_path / "other" / "0.json")
    return tmp_path


def judged(audit: Audit) -> dict[str, tuple[str, bool]]:
    return {judgement.claim: (judgement.verdict, judgement.recorded) for judgement in audit.judgements}


def test_results_are_found_by_what_they_are(results: Path) -> None:
    audit = make_audit("p", CLAIMS, results, [results / "renamed" / "0.json"])
    assert judged(audit)["digits-weights"] == ("REPRODUCED", False)
    assert judged(audit)["digits-dvs-weights"] == ("NOT RUN", False)


def test_what_another_run_computed_is_said(results: Path) -> None:
    audit = make_audit("p", CLAIMS, results, [results / "other" / "0.json"])
    assert judged(audit)["digits-weights"] == ("REPRODUCED", True)


def test_a_copy_under_another_name_takes_the_verdict_away(results: Path) -> None:
    content = json.loads((results / "renamed" / "0.json").read_text(encoding="utf-8"))
    (results / "copy").mkdir()
    (results / "copy" / "1.json").write_text(json.dumps(content | {"experiment": "copy", "seed": 1}), encoding="utf-8")
    audit = make_audit("p", CLAIMS, results, [results / "renamed" / "0.json"])
    assert judged(audit)["digits-accuracy"][0] == "NOT COMPARABLE"


def test_the_same_seed_of_another_profile_counts_once_as_this_one_did_it(results: Path) -> None:
    """Also where another processor had made other weights of it; two that are both recorded still object."""
    content = json.loads((results / "renamed" / "0.json").read_text(encoding="utf-8"))
    other = content | {
        "experiment": "copy",
        "digests": content["digests"] | {"model": "f" * 64, "predictions": "e" * 64},
    }
    (results / "copy").mkdir()
    (results / "copy" / "0.json").write_text(json.dumps(other), encoding="utf-8")
    mine = make_audit("p", CLAIMS, results, [results / "renamed" / "0.json"])
    assert judged(mine)["digits-weights"] == ("REPRODUCED", False)
    assert [judgement.evidence for judgement in mine.judgements if judgement.claim == "digits-accuracy"] == [
        ["renamed/0.json"]
    ]
    neither = make_audit("p", CLAIMS, results, [results / "other" / "0.json"])
    assert judged(neither)["digits-accuracy"][0] == "NOT COMPARABLE"


def test_a_record_that_was_moved_is_refused(results: Path) -> None:
    (results / "renamed" / "0.json").rename(results / "renamed" / "1.json")
    with pytest.raises(InputError, match="it belongs elsewhere"):
        make_audit("p", CLAIMS, results, [])


def test_the_file_says_claims_verdicts_and_evidence(results: Path) -> None:
    make_audit("p", CLAIMS, results, [results / "renamed" / "0.json"]).write(results / "audit.json")
    claims = {claim["id"]: claim for claim in json.loads((results / "audit.json").read_text())["claims"]}
    digits = claims["digits-accuracy"]
    assert digits["printed"] == f"{digits['value']} %"
    assert digits["precision"] == pytest.approx(0.05)
    assert (digits["evidence"], digits["seeds"], digits["samples"]) == (["renamed/0.json"], [0], 355)
    assert (claims["cifar10-accuracy-v1"]["verdict"], claims["cifar10-accuracy-v1"]["value"]) == ("NOT RUN", 94.1)
