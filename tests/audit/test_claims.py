"""Each verdict, from evidence that just allows it and from evidence that just does not."""

from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.audit.claims import Claim, judge, read_claims
from pipeline.errors import InputError
from pipeline.params import load
from pipeline.paths import CLAIMS, PROFILES
from tests.audit.made import record

ACCURACY = Claim(
    id="accuracy",
    origin="paper",
    statement="s",
    printed="90 %",
    where="w",
    experiment="tiny",
    value=90.0,
    tolerance=3.0,
    tolerance_reason="r",
    requires={"dataset": {"title": "Tiny", "published": True}, "network": {"width": 2}, "training": {"epochs": 2}},
)
WEIGHTS = Claim(
    id="weights",
    origin="repository",
    statement="s",
    printed="p",
    where="w",
    experiment="tiny",
    weights={"one processor": "aa"},
    seed=0,
)


# With 1,000 samples Wilson's interval of 900 is 87.98 to 91.71, of 885 it is 86.37 to 90.33, of 850 82.65 to 87.08,
# of 840 81.60 to 86.14, of 950 93.46 to 96.19.
@pytest.mark.parametrize(
    ("correct", "verdict"),
    [(900, "REPRODUCED"), (885, "UNDERPOWERED"), (850, "UNDERPOWERED"), (840, "BELOW"), (950, "ABOVE")],
)
def test_the_place_of_the_interval_decides(correct: int, verdict: str) -> None:
    judgement = judge(ACCURACY, [record(correct)])
    assert (judgement.verdict, judgement.samples, judgement.seeds) == (verdict, 1000, [0])
    assert judgement.estimate == correct / 10


def test_seeds_are_averaged() -> None:
    judgement = judge(ACCURACY, [record(880), record(920, seed=1)])
    assert (judgement.estimate, judgement.seeds, judgement.verdict) == (90.0, [0, 1], "REPRODUCED")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"network": {"width": 4}}, "network.width is 4, the claim is about 2"),
        ({"training": {"epochs": 1}}, "training.epochs is 1, the claim is about 2"),
        ({"dataset": {"title": "Tiny", "published": False}}, "dataset.published is False, the claim is about True"),
    ],
)
def test_a_shortened_or_resourced_run_never_reproduces(changes: dict[str, object], difference: str) -> None:
    judgement = judge(ACCURACY, [record(900, **changes)])
    assert (judgement.verdict, judgement.differences) == ("NOT COMPARABLE", [difference])


def test_without_results_nothing_was_run() -> None:
    assert judge(ACCURACY, []).verdict == "NOT RUN"
    assert judge(WEIGHTS, []).verdict == "NOT RUN"
    assert judge(WEIGHTS, [record(seed=1)]).verdict == "NOT RUN"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "REPRODUCED"),
        ({"digests": {"model": "ab"}}, "DIFFERS"),
        ({"platforms": ["another processor"]}, "NOT COMPARABLE"),
        ({"platforms": ["another processor", "one processor"]}, "NOT COMPARABLE"),
    ],
)
def test_weights_are_equal_to_the_bit_on_one_platform(changes: dict[str, object], verdict: str) -> None:
    assert judge(WEIGHTS, [record(900, **changes)]).verdict == verdict


def test_the_registry_has_the_papers_three_numbers() -> None:
    registry = read_claims(CLAIMS)
    papers = {claim.experiment: claim.value for claim in registry.claims if claim.origin == "paper"}
    assert papers == {"cifar10": 94.14, "cifar100": 74.65, "cifar10-dvs": 72.98}
    assert len({claim.id for claim in registry.claims}) == len(registry.claims)


def test_the_paper_profile_is_what_the_papers_claims_are_about() -> None:
    params = load(PROFILES / "paper.yaml")
    for claim in read_claims(CLAIMS).claims:
        if claim.origin == "paper":
            experiment = params.experiments[claim.experiment]
            for part, had in (("network", experiment.model), ("training", experiment.training)):
                for key, value in claim.requires[part].items():
                    found = getattr(had, key)
                    assert (list(found) if isinstance(found, tuple) else found) == value, f"{claim.id}: {part}.{key}"


def test_a_claim_is_about_accuracy_or_about_weights(tmp_path: Path) -> None:
    text = CLAIMS.read_text(encoding="utf-8")
    path = tmp_path / "claims.yaml"
    path.write_text(text.replace("    tolerance: 1.0\n", "", 1), encoding="utf-8")
    with pytest.raises(InputError, match="cifar10-accuracy: expected value, tolerance and tolerance_reason"):
        read_claims(path)
    path.write_text(text.replace("origin: paper", "origin: rumour", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"claims\.0\.origin"):
        read_claims(path)


def test_the_quick_profile_is_what_this_repositorys_claims_are_about() -> None:
    own = [claim for claim in read_claims(CLAIMS).claims if claim.origin == "repository"]
    assert len(own) == 4
    params = load(PROFILES / "quick.yaml")
    for claim in own:
        experiment = params.experiments[claim.experiment]
        for part, had in (("network", asdict(experiment.model)), ("training", asdict(experiment.training))):
            left_out = had.keys() - claim.requires[part].keys()
            assert left_out <= {"test_each_epoch"}, f"{claim.id} leaves {left_out} open"
            for key, value in claim.requires[part].items():
                found = had[key]
                assert (list(found) if isinstance(found, tuple) else found) == value, f"{claim.id}: {part}.{key}"
