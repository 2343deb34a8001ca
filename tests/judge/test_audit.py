"""The audit of a folder of results."""

import json
from pathlib import Path

import pytest

from pipeline.evaluate.record import read_record
from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS
from pipeline.judge.audit import Audit, make_audit
from pipeline.judge.claims import AgreementClaim, CountClaim, WeightsClaim, read_claims
from pipeline.judge.measured import MEASURED, Measured
from tests.judge.claimed import run
from tests.judge.recorded import write_recorded


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A result of the digits, on a processor whose digest is claimed and with these weights."""
    claimed = {claim.id: claim for claim in read_claims(CLAIMS).claims}["digits-weights"]
    assert isinstance(claimed, WeightsClaim)
    platform, model = next(iter(claimed.weights.items()))
    write_recorded(tmp_path, "renamed", platforms=[platform], digests={"model": model})
    run(experiment="other").write(tmp_path / "results" / "other" / "0.json")
    return tmp_path


def audit(root: Path, *current: str) -> Audit:
    return make_audit("p", CLAIMS, root, [root / "results" / name / "0.json" for name in current])


def judged(audit: Audit) -> dict[str, tuple[str, bool]]:
    return {judgement.claim: (judgement.verdict, judgement.recorded) for judgement in audit.judgements}


def test_results_are_found_by_what_they_are(root: Path) -> None:
    verdicts = judged(audit(root, "renamed"))
    assert verdicts["digits-weights"] == ("REPRODUCED", False)
    assert verdicts["digits-dvs-weights"] == ("NOT RUN", False)


def test_what_another_run_computed_is_said(root: Path) -> None:
    made = audit(root, "other")
    (accuracy,) = (one for one in made.judgements if one.claim == "digits-accuracy")
    assert (accuracy.evidence, accuracy.recorded) == (["renamed/0.json"], True)
    assert accuracy.estimate == pytest.approx(made.recorded[0].test["top1_percent"])


def test_answers_say_nothing_of_weights(root: Path) -> None:
    verdicts = {one.kind: judged(audit(root, "other"))[one.id][0] for one in read_claims(CLAIMS).claims}
    assert verdicts["weights"] == "NOT RUN"


def test_what_needs_no_training_rests_on_measurements_alone(root: Path) -> None:
    claims = {one.id: one for one in read_claims(CLAIMS).claims if isinstance(one, CountClaim | AgreementClaim)}
    assert {judged(audit(root, "other"))[name][0] for name in claims} == {"NOT RUN"}
    found: dict[str, float | None] = {
        name: one.count if isinstance(one, CountClaim) else 1e-15 for name, one in claims.items()
    }
    found |= {"agreement-frames": 1, "agreement-logits": None}  # None: cannot be compared
    Measured(platform="a CPU", claims=found).write(root / MEASURED)
    made = audit(root, "other")
    verdicts = {name: judged(made)[name] for name in claims}
    assert {verdicts.pop(f"agreement-{name}") for name in ("frames", "logits")} == {("DIFFERS", False)}
    assert set(verdicts.values()) == {("REPRODUCED", False)}
    assert made.stages[-1] == "agreement"


def test_a_recorded_result_without_answers_decides_nothing(root: Path) -> None:
    (root / "results" / "renamed" / "0" / "answers.parquet").unlink()
    made = audit(root, "other")
    assert judged(made)["digits-accuracy"] == ("NOT RUN", False)
    assert ([one.experiment for one in made.recorded], [one.experiment for one in made.unchecked]) == ([], ["renamed"])
    reason = next(one.reason for one in made.judgements if one.claim == "digits-accuracy")
    assert "1 recorded result(s) of it are not checked and do not count" in reason


def test_a_copy_under_another_name_takes_the_verdict_away(root: Path) -> None:
    renamed = read_record(root / "results" / "renamed" / "0.json")
    write_recorded(root, "copy", seed=1, digests=renamed.digests)
    assert judged(audit(root, "renamed"))["digits-accuracy"][0] == "NOT COMPARABLE"


def test_the_same_seed_of_another_profile_counts_once_as_this_one_did_it(root: Path) -> None:
    """Also where another processor had made other weights of it."""
    write_recorded(root, "copy", digests={"model": "f" * 64})
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


def test_the_order_of_runs_in_params_changes_nothing(root: Path) -> None:
    """verify reads the evidence's params.yaml, whose keys are sorted."""
    for seed in (2, 10):
        run(experiment="other", seed=seed).write(root / "results" / "other" / f"{seed}.json")
    names = ["renamed/0", "other/10", "other/0", "other/2"]
    orders = [[root / "results" / f"{name}.json" for name in each] for each in (names, names[::-1])]
    one, other = (make_audit("p", CLAIMS, root, order) for order in orders)
    assert [(record.experiment, record.seed) for record in one.records] == [
        ("other", 0), ("other", 2), ("other", 10), ("renamed", 0),
    ]  # fmt: skip
    assert one.as_json() == other.as_json()
