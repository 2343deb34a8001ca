"""The verdict on a claim from recorded results. docs/verdicts.md has the rules and their error rates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, assert_never

import numpy as np

from pipeline.evaluate.record import Record
from pipeline.judge import equivalence
from pipeline.judge.claims import (
    AccuracyClaim,
    AgreementClaim,
    Claim,
    Configuration,
    CountClaim,
    DifferenceClaim,
    Spread,
    StatementClaim,
    WeightsClaim,
)
from pipeline.judge.equivalence import Earlier, Goal
from pipeline.judge.matching import (
    FREE_OF_ACCURACY,
    FREE_OF_WEIGHTS,
    Free,
    matching_records,
    name_of,
    nearest_record,
    objections,
    unpaired,
)
from pipeline.judge.measured import MEASURED, Measured, power_of_ten

Verdict = Literal["REPRODUCED", "BELOW", "ABOVE", "DIFFERS", "UNDERPOWERED", "NOT COMPARABLE", "NOT RUN"]
"""Every verdict that a claim can get."""
_NOTHING_NEEDED = equivalence.Needed(seeds=None, samples=None)
OTHER = "what was run is not what the claim is about"
"""The reason of NOT COMPARABLE, if the nearest run was an attempt at the claim."""
_COMPARED = {
    "logits": "logits and losses of four networks in float64, three training steps and an evaluation each",
    "gradients": "the gradient of every weight of four networks in float64",
    "training": "weights and running statistics of four networks in float64 after three steps",
    "frames": "every count of eight frames of a simulated DVS128 recording of 5,003 events",
}
"""What was compared, by the kind of the recorded numbers (paper/golden/README.md)."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with its evidence."""

    claim: str
    verdict: Verdict
    reason: str
    differences: list[str]
    """How the nearest run differs from the claim, or why the runs cannot be combined."""
    evidence: list[str]
    """Records that the verdict is based on, as paths relative to results/."""
    seeds: list[int]
    samples: int | None
    """Test samples of one seed."""
    estimate: float | None
    """Mean over the seeds."""
    low: float | None
    """Upper end of the 90 % interval that decides; `low` is its lower end."""
    high: float | None
    unit: Literal["%", "points"] = "%"
    """Unit of estimate, low and high."""
    seeds_needed: int | None = None
    """If UNDERPOWERED: total number of seeds for a decision."""
    samples_needed: int | None = None
    """Test samples for a decision, if no number of seeds is enough."""
    recorded: bool = False
    """True if not all of the evidence was computed by this run."""


def judge(claim: Claim, records: Sequence[Record], measured: Measured | None = None) -> Judgement:
    """The judgement of a claim, from all records and from the measurements that need no training."""
    match claim:
        case AccuracyClaim():
            return _judge_accuracy(claim, records)
        case WeightsClaim():
            return _judge_weights(claim, records)
        case CountClaim() | AgreementClaim():
            return _judge_measurement(claim, measured)
        case DifferenceClaim():
            return _judge_difference(claim, records)
        case StatementClaim():
            return _verdict(claim, "NOT RUN", f"not checkable: {claim.not_checkable}")
        case _:
            assert_never(claim)


def _judge_accuracy(claim: AccuracyClaim, records: Sequence[Record]) -> Judgement:
    runs = matching_records(claim.configuration, records, FREE_OF_ACCURACY)
    if not runs:
        return _without_evidence(claim, claim.configuration, records, FREE_OF_ACCURACY)
    if faults := objections(runs):
        return _apart(claim, runs, faults)
    goal = Goal(value=claim.value, margin=claim.margin, precision=claim.precision)
    runs, earlier = _earlier(claim.spread, runs)
    correct, samples = np.array([run.test["correct"] for run in runs], dtype=np.float64), runs[0].test["samples"]
    low, high = (float(end) for end in equivalence.interval(correct, samples, earlier))
    verdict: Verdict = equivalence.decide(correct, samples, goal, earlier).item()
    found: dict[str, Any] = {"samples": samples, "estimate": 100 * correct.mean() / samples, "low": low, "high": high}
    if len(runs) == 1 and claim.spread is None:
        return _verdict(claim, verdict, _one_seed(low, high, goal), runs, seeds_needed=2, **found)
    needed = equivalence.needed(correct, samples, goal, earlier) if verdict == "UNDERPOWERED" else _NOTHING_NEEDED
    reason = "; ".join([*_seeds(claim, runs), _where(low, high, goal), *_missing(needed, verdict, len(runs), samples)])
    return _verdict(claim, verdict, reason, runs, seeds_needed=needed.seeds, samples_needed=needed.samples, **found)


def _earlier(spread: Spread | None, runs: list[Record]) -> tuple[list[Record], Earlier | None]:
    """The runs, starting with those that the claim's spread was estimated from, and that spread."""
    if spread is None:
        return runs, None
    known = sum(run.seed in spread.seeds for run in runs)
    ordered = sorted(runs, key=lambda run: run.seed not in spread.seeds)
    return ordered, Earlier(sd=spread.sd, trainings=spread.trainings, known=known)


def _seeds(claim: AccuracyClaim, runs: Sequence[Record]) -> list[str]:
    """Text: the number of seeds, or the source of the spread if there is one seed."""
    if len(runs) > 1:
        return [f"{len(runs)} seeds"]
    assert claim.spread is not None, "one seed with a spread"
    return [f"one seed: that seeds differ by {_short(claim.spread.sd)} points is taken from {claim.spread.source}"]


def _one_seed(low: float, high: float, goal: Goal) -> str:
    return (
        "one seed: the spread between seeds is not in this interval and not known, so nothing is decided; at least one "
        f"more seed is needed. For this one network {_where(low, high, goal)}"
    )


def _where(low: float, high: float, goal: Goal) -> str:
    """Text: where the interval lies."""
    (start, end), (least, most) = (np.clip(ends, 0.0, 100.0) for ends in (goal.inner, goal.outer))
    return {
        "REPRODUCED": f"the whole 90 % interval lies within {_short(start)} to {_short(end)} %",
        "BELOW": f"the whole 90 % interval lies below {_short(least)} %",
        "ABOVE": f"the whole 90 % interval lies above {_short(most)} %",
        "UNDERPOWERED": f"the 90 % interval crosses an end of {_short(start)} to {_short(end)} %",
    }[equivalence.interval_verdicts(np.array(low), np.array(high), goal).item()]


def _missing(needed: equivalence.Needed, verdict: str, seeds: int, samples: int) -> list[str]:
    """Text: how many seeds or test samples would decide."""
    if verdict != "UNDERPOWERED":
        return []
    if needed.seeds is not None:
        more = needed.seeds - seeds
        chance = f"{equivalence.CHANCE:.0%}".replace("%", " %")
        seeds_more = "1 more seed" if more == 1 else f"{more} more seeds"
        return [f"{seeds_more} would decide it in {chance} of cases or more, if mean and spread stay"]
    if needed.samples is not None:
        few = f"not even {equivalence.MOST_NEEDED_SEEDS} seeds would decide it on {samples} test samples"
        return [f"{few}, on about {needed.samples:,} they would"]
    return ["the mean lies at an end of that range, where no number of seeds or test samples decides"]


def _judge_weights(claim: WeightsClaim, records: Sequence[Record]) -> Judgement:
    """Compares weights bit by bit; only on platforms that the claim names."""
    fitting = matching_records(claim.configuration, records, FREE_OF_WEIGHTS)
    runs = [run for run in fitting if run.seed == claim.seed]
    if not fitting:
        return _without_evidence(claim, claim.configuration, records, FREE_OF_WEIGHTS)
    if not runs:
        return _verdict(claim, "NOT RUN", f"no run of seed {claim.seed}")
    outcomes = [(*_compare_weights(claim, run), run) for run in runs]
    order = ("DIFFERS", "REPRODUCED", "NOT COMPARABLE")
    verdict, reason, run = min(outcomes, key=lambda outcome: order.index(outcome[0]))
    return _verdict(claim, verdict, reason, [run])


def _compare_weights(claim: WeightsClaim, run: Record) -> tuple[Verdict, str]:
    platform, found = " and ".join(run.platforms), run.digests["model"]
    wanted = claim.weights.get(platform)
    if wanted is None:
        return "NOT COMPARABLE", (
            f"trained on {platform}, for which no digest is claimed: processors round differently; it is {found}; "
            "to claim it, add it to this claim's weights in paper/claims.yaml"
        )
    if wanted != found:
        return "DIFFERS", f"expected {wanted}, found {found} on {platform}"
    return "REPRODUCED", f"SHA-256 {found} on {platform}"


def _judge_measurement(claim: CountClaim | AgreementClaim, measured: Measured | None) -> Judgement:
    if measured is None or claim.id not in measured.claims:
        return _verdict(claim, "NOT RUN", "not measured; `dvc repro agreement` measures it, without training")
    found = measured.claims[claim.id]
    same = found is not None and (found == claim.count if isinstance(claim, CountClaim) else found <= claim.bound)
    reason = f"{_measured(claim, found)}; computed on {measured.platform}"
    return replace(_verdict(claim, "REPRODUCED" if same else "DIFFERS", reason), evidence=[MEASURED.name])


def _measured(claim: CountClaim | AgreementClaim, found: float | None) -> str:
    if found is None:
        return "other shapes, types or names, or values that are not numbers"
    if isinstance(claim, CountClaim):
        return f"{found:,.0f} {claim.of}, counted in the network that is built from this configuration"
    apart = f"at most {power_of_ten(found)} apart, the bound is {power_of_ten(claim.bound)}"
    return f"{_COMPARED[claim.of]}: {apart}"


def _judge_difference(claim: DifferenceClaim, records: Sequence[Record]) -> Judgement:
    firsts, seconds = (matching_records(arm, records, FREE_OF_ACCURACY) for arm in (claim.first, claim.second))
    for arm, runs in ((claim.first, firsts), (claim.second, seconds)):
        if not runs:
            return _without_evidence(claim, arm, records, FREE_OF_ACCURACY)
    if faults := [*objections(firsts), *objections(seconds), *unpaired(firsts, seconds)]:
        return _apart(claim, [*firsts, *seconds], faults)
    other = {run.seed: run for run in seconds}
    pairs = [(run, other[run.seed]) for run in firsts if run.seed in other]
    if len(pairs) < 2:
        reason = f"{len(pairs)} seed(s) of both; at least two are needed"
        both = [run for pair in pairs for run in pair]
        return _verdict(claim, "UNDERPOWERED", reason, both, seeds=[one.seed for one, _ in pairs], seeds_needed=2)
    return _judge_pairs(claim, pairs)


def _judge_pairs(claim: DifferenceClaim, pairs: list[tuple[Record, Record]]) -> Judgement:
    samples = pairs[0][0].test["samples"]
    gaps = np.array([100 * (one.test["correct"] - other.test["correct"]) / samples for one, other in pairs])
    low, high = (float(end) for end in equivalence.paired_interval(gaps))
    if claim.value is None:
        verdict: Verdict = equivalence.decide_larger(gaps, claim.margin).item()
        aim = f"more than {_short(claim.margin)} points"
    else:
        goal = Goal(value=claim.value, margin=claim.margin, precision=claim.precision)
        verdict = equivalence.interval_verdicts(np.array(low), np.array(high), goal).item()
        aim = f"{_short(goal.inner[0])} to {_short(goal.inner[1])} points"
    reason = (
        f"{len(pairs)} seeds in pairs, claimed is {aim}; Student's 90 % interval is about these {samples} test "
        "samples: their choice is not in it"
    )
    found: dict[str, Any] = {"samples": samples, "estimate": float(gaps.mean()), "low": low, "high": high}
    seeds = [one.seed for one, _ in pairs]
    return _verdict(
        claim, verdict, reason, [run for pair in pairs for run in pair], seeds=seeds, unit="points", **found
    )


def _without_evidence(claim: Claim, wanted: Configuration, records: Sequence[Record], free: Free) -> Judgement:
    """The judgement if no record matches: NOT COMPARABLE if the nearest was an attempt at the claim, else NOT RUN."""
    near = nearest_record(wanted, records, free)
    if near is None:
        return _verdict(claim, "NOT RUN", "there is no result")
    about = f"{name_of(near.record)} of {near.record.dataset['title']}"
    if near.attempt:
        return _verdict(claim, "NOT COMPARABLE", f"{OTHER}; the nearest is {about}", differences=near.differences)
    reason = f"no run of {wanted.dataset.title}, nor of this network and training on other data; the nearest is {about}"
    return _verdict(claim, "NOT RUN", reason, differences=near.differences)


def _apart(claim: Claim, runs: Sequence[Record], faults: list[str]) -> Judgement:
    """The judgement if the matching runs cannot be combined."""
    return _verdict(
        claim, "NOT COMPARABLE", "these runs are not different seeds on one test set", runs, differences=faults
    )


def _verdict(
    claim: Claim,
    verdict: Verdict,
    reason: str,
    runs: Sequence[Record] = (),
    **found: Any,
) -> Judgement:
    """A judgement; it has numbers only if `found` gives them."""
    seeds = [run.seed for run in runs]
    nothing: dict[str, Any] = {"seeds": seeds, "differences": [], "samples": None}
    nothing |= {"estimate": None, "low": None, "high": None}
    return Judgement(
        claim=claim.id,
        verdict=verdict,
        reason=reason,
        evidence=[name_of(run) for run in runs],
        **(nothing | {name: _rounded(value) for name, value in found.items()}),
    )


def _short(value: float) -> str:
    """The value with up to three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _rounded(value: Any) -> Any:
    """A float rounded to nine decimals: last bits of a logarithm differ between processors, report bytes must not."""
    return round(value, 9) if isinstance(value, float) else value
