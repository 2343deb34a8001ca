"""Each verdict, with evidence just inside and just outside of its limits."""

import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.judge.claims import AgreementClaim, Spread, StatementClaim
from pipeline.judge.measured import Measured
from pipeline.judge.verdicts import judge
from tests.judge.claimed import STATED, accuracy, counted, difference, run, weights

SPREAD = Spread(sd=0.5, trainings=5, seeds=[], source="a table")


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((898, 900, 902), "REPRODUCED"),
        ((885, 887, 889), "UNDERPOWERED"),
        ((838, 840, 842), "BELOW"),
        ((948, 950, 952), "ABOVE"),
    ],
)
def test_seeds_decide_together(counts: tuple[int, ...], verdict: str) -> None:
    judgement = judge(accuracy(), [run(correct, seed) for seed, correct in enumerate(counts)])
    assert (judgement.verdict, judgement.samples, judgement.seeds) == (verdict, 1000, [0, 1, 2])
    assert judgement.estimate == counts[1] / 10
    assert judgement.evidence == ["any/0.json", "any/1.json", "any/2.json"]
    assert judgement.reason.startswith("3 seeds; ")


@pytest.mark.parametrize(("correct", "place"), [(900, "lies within"), (700, "lies below"), (980, "lies above")])
def test_one_seed_decides_nothing_and_says_so(correct: int, place: str) -> None:
    judgement = judge(accuracy(), [run(correct)])
    assert (judgement.verdict, judgement.seeds_needed) == ("UNDERPOWERED", 2)
    assert judgement.reason.startswith("one seed: the spread between seeds is not in this interval")
    assert place in judgement.reason


def test_one_seed_decides_with_a_spread_that_is_known() -> None:
    judgement = judge(accuracy(spread=SPREAD), [run(900)])
    assert judgement.verdict == "REPRODUCED"
    assert judgement.reason.startswith("one seed: that seeds differ by 0.5 points is taken from a table")
    wide = Spread(sd=2.0, trainings=5, seeds=[], source="a table")
    assert judge(accuracy(spread=wide), [run(900)]).verdict == "UNDERPOWERED"


def test_seeds_that_gave_the_spread_are_not_counted_twice() -> None:
    counts = {0: 890, 1: 910, 2: 880, 3: 920}
    runs = [run(correct, seed) for seed, correct in counts.items()]
    without = judge(accuracy(), runs)
    same = Spread(sd=1.82574, trainings=4, seeds=[0, 1, 2, 3], source="these")
    assert judge(accuracy(spread=same), runs).low == pytest.approx(without.low, abs=1e-3)
    partly = judge(accuracy(spread=same), [*runs, run(900, 9)])
    assert partly.seeds == [0, 1, 2, 3, 9]


def test_what_is_missing_is_said() -> None:
    seeds = judge(accuracy(), [run(895), run(905, 1)])
    assert seeds.verdict == "UNDERPOWERED"
    assert seeds.seeds_needed is not None
    assert f"{seeds.seeds_needed - 2} more seeds would decide it in 80 % of cases or more" in seeds.reason
    samples = judge(accuracy(margin=1.5), [run(899), run(901, 1)])
    assert (samples.verdict, samples.seeds_needed) == ("UNDERPOWERED", None)
    assert samples.samples_needed is not None
    assert re.search(
        r"not even 100 seeds would decide it on 1000 test samples, on about \d,\d00 they would", samples.reason
    )
    end = judge(accuracy(), [run(929), run(931, 1)])
    assert "the mean lies at an end of that range" in end.reason


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"training": {"epochs": 1}}, "training.epochs is 1, the claim is about 2"),
        ({"dataset": {"title": "Tiny (altered)", "published": False}}, "dataset.published is False, the claim is"),
        ({"network": {"new": 1}}, "network.new is 1, of which the claim says nothing"),
    ],
)
def test_a_shortened_or_resourced_run_never_reproduces(parts: dict[str, Any], text: str) -> None:
    for claim in (accuracy(spread=SPREAD), weights()):
        judgement = judge(claim, [run(900, experiment="cifar10", **parts)])
        assert (judgement.verdict, judgement.estimate, judgement.evidence) == ("NOT COMPARABLE", None, [])
        assert any(difference.startswith(text) for difference in judgement.differences)
        assert "cifar10/0.json" in judgement.reason


def test_a_run_that_fits_counts_beside_others_that_do_not() -> None:
    records = [run(900), run(700, 1, training={"epochs": 1}), run(899, 1, "elsewhere"), run(901, 2)]
    judgement = judge(accuracy(), records)
    assert (judgement.verdict, judgement.seeds, judgement.estimate) == ("REPRODUCED", [0, 1, 2], 90.0)


def test_a_copied_seed_is_no_evidence() -> None:
    judgement = judge(accuracy(), [run(900), run(900, 1, digests={"predictions": "of any-0"}), run(901, 2)])
    assert (judgement.verdict, judgement.estimate) == ("NOT COMPARABLE", None)
    assert judgement.differences == ["any/0.json and any/1.json have the same predictions"]


def test_without_results_nothing_was_run() -> None:
    other = run(900, dataset={"title": "Other"}, network={"width": 9})
    for claim in (accuracy(), weights(), difference()):
        assert judge(claim, []).verdict == "NOT RUN"
        judgement = judge(claim, [other])
        assert judgement.verdict == "NOT RUN"
        assert "the nearest is any/0.json of Other" in judgement.reason
        assert judgement.differences
    assert judge(weights(), [run(seed=1)]).verdict == "NOT RUN"


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (run(), "REPRODUCED"),
        (run(digests={"model": "ab"}), "DIFFERS"),
        (replace(run(), platforms=["another processor"]), "NOT COMPARABLE"),
        (replace(run(), platforms=["another processor", "one processor"]), "NOT COMPARABLE"),
        (run(training={"threads": 2}), "NOT COMPARABLE"),
    ],
)
def test_weights_are_equal_to_the_bit_on_one_platform(record: Any, verdict: str) -> None:
    assert judge(weights(), [record]).verdict == verdict


def test_one_that_differs_is_not_hidden_by_one_that_does_not() -> None:
    assert judge(weights(), [run(), run(experiment="b", digests={"model": "ab"})]).verdict == "DIFFERS"


@pytest.mark.parametrize(("printed", "verdict"), [("1,234", "REPRODUCED"), ("1,235", "DIFFERS")])
def test_a_count_is_the_same_or_not(printed: str, verdict: str) -> None:
    measured = Measured(platform="a CPU", claims={"c": 1234})
    judgement = judge(counted(printed), [run()], measured)
    assert (judgement.verdict, judgement.evidence) == (verdict, ["agreement.json"])
    assert (
        judgement.reason
        == "1,234 parameters, counted in the network that is built from this configuration; computed on a CPU"
    )
    assert judge(counted(printed), [run()]).verdict == "NOT RUN"


@pytest.mark.parametrize(("found", "verdict"), [(1e-9, "REPRODUCED"), (1.1e-9, "DIFFERS"), (None, "DIFFERS")])
def test_agreement_is_within_its_bound_or_not(found: float | None, verdict: str) -> None:
    claim = AgreementClaim(kind="agreement", of="logits", bound=1e-9, printed="p", **STATED)
    measured = Measured(platform="a CPU", claims={"c": found})
    assert judge(claim, [], measured).verdict == verdict


def arms(*pairs: tuple[int, int]) -> list[Any]:
    """Runs of bntt and of bn with these counts, a seed a pair."""
    other = {"network": {"normalization": "bn"}}
    runs = []
    for seed, (first, second) in enumerate(pairs):
        runs.append(run(first, seed, "a"))
        runs.append(run(second, seed, "b", digests={"model": f"bn-{seed}"}, **other))
    return runs


# Student's 90 % interval of differences 2.0, 2.1 and 1.9 points is 1.83 to 2.17.
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "REPRODUCED"),
        ({"margin": 1.8}, "REPRODUCED"),
        ({"margin": 2.0}, "UNDERPOWERED"),
        ({"margin": 2.2}, "BELOW"),
        ({"relation": "as printed", "printed": "+2.0 points", "margin": 0.3}, "REPRODUCED"),
        ({"relation": "as printed", "printed": "+2.0 points", "margin": 0.2}, "UNDERPOWERED"),
        ({"relation": "as printed", "printed": "0.0 points", "margin": 1.0}, "ABOVE"),
        ({"relation": "as printed", "printed": "+4.0 points", "margin": 1.0}, "BELOW"),
    ],
)
def test_differences_are_judged_by_pairs_of_seeds(changes: dict[str, Any], verdict: str) -> None:
    judgement = judge(difference(**changes), arms((900, 880), (700, 679), (950, 931)))
    assert (judgement.verdict, judgement.unit, judgement.seeds) == (verdict, "points", [0, 1, 2])
    assert judgement.estimate == pytest.approx(2.0)
    assert judgement.low == pytest.approx(1.8314, abs=1e-4)


def test_pairs_need_two_common_seeds_and_one_test_set() -> None:
    one = [*arms((900, 880)), run(901, 5, "a")]
    assert (judge(difference(), one).verdict, judge(difference(), one).seeds) == ("UNDERPOWERED", [0])
    alone = judge(difference(), [run(900, 0, "a")])
    assert alone.verdict == "NOT COMPARABLE"
    assert alone.differences == ["network.normalization is bntt, the claim is about bn"]
    runs = arms((900, 880), (890, 870))
    runs[1].digests["test_rows"] = runs[3].digests["test_rows"] = "others"
    assert judge(difference(), runs).verdict == "NOT COMPARABLE"


def test_a_statement_without_a_number_says_why_nothing_decides_it() -> None:
    claim = StatementClaim(kind="statement", printed="in words", not_checkable="no rows", **STATED)
    assert (judge(claim, [run()]).verdict, judge(claim, []).reason) == ("NOT RUN", "not checkable: no rows")
