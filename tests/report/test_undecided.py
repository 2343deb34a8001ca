"""The report's text on an accuracy that was not run: commands, cost, and the nearest result."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS, PROFILES
from pipeline.judge.audit import Audit, make_audit
from pipeline.judge.claims import AccuracyClaim, read_claims
from pipeline.protocol.params import load_params
from pipeline.report.undecided import COSTS, undecided
from tests.judge.claimed import run

CLAIM = next(one for one in read_claims(CLAIMS).claims if isinstance(one, AccuracyClaim))
CONTENT = {
    "machine": "a CPU",
    "steps": {"CIFAR-10": {"seconds": 7.2, "peak_bytes": 3 * 2**30}},
    "gpu": "a GPU",
    "gpu_seconds": 0.001,
    "gpu_measured": "a training",
}


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return make_audit("none", CLAIMS, tmp_path, [])


def write(root: Path, content: object) -> None:
    (root / COSTS).parent.mkdir(exist_ok=True)
    (root / COSTS).write_text(json.dumps(content))


def test_without_measured_costs_the_commands_are_said(audit: Audit, tmp_path: Path) -> None:
    found = undecided(CLAIM, audit, tmp_path)
    assert found is not None
    assert found.commands == ["sresnet use paper --seeds 2", "make repro"]
    assert (found.lines, found.nearest) == (["Downloads 0.2 GB."], [])


def test_hours_follow_from_steps_and_samples(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    found = undecided(CLAIM, audit, tmp_path)
    assert found is not None
    hours = 70 * 50_000 * 0.001 / 3600  # 0.97
    assert f"About {60 * hours:.0f} minutes a seed on a GPU, extrapolated." in found.lines
    days = 70 * (50_000 // 21) * 7.2 / 86_400  # 13.9
    assert f"About {days:.0f} days a seed and 3.0 GiB of memory on a CPU: 166,600 steps." in found.lines


def test_the_nearest_is_the_best_on_altered_copies_of_the_same_data(audit: Audit, tmp_path: Path) -> None:
    altered = {"title": "CIFAR-10 (JPEG q75)"}
    runs = [run(600, 0, "a", dataset=altered), run(700, 0, "b", dataset=altered), run(900, 0, "c")]
    runs = [replace(one, test=one.test | {"top1_percent": one.test["correct"] / 10}) for one in runs]
    found = undecided(CLAIM, replace(audit, unchecked=runs), tmp_path)
    assert found is not None
    assert [one.experiment for one in found.nearest] == ["b"]


def test_damaged_costs_are_one_error(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path, CONTENT | {"gpu_seconds": "fast"})
    with pytest.raises(InputError, match=r"bench-cost\.json: not costs .*gpu_seconds"):
        undecided(CLAIM, audit, tmp_path)


def test_a_claim_without_a_training_has_none(audit: Audit, tmp_path: Path) -> None:
    assert undecided(CLAIM.model_copy(update={"decided_by": None}), audit, tmp_path) is None


def test_the_runs_that_would_decide_exist() -> None:
    for claim in read_claims(CLAIMS).claims:
        if isinstance(claim, AccuracyClaim) and claim.decided_by:
            params = load_params(PROFILES / f"{claim.decided_by.profile}.yaml")
            run = params.runs[claim.decided_by.run]
            assert params.experiments[run.experiment].model == claim.configuration.network
