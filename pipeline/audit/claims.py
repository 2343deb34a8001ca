"""Claims, and the verdict that the evidence allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.audit.record import Record
from pipeline.audit.statistics import wilson
from pipeline.data.params import Section, read_yaml, validate

Verdict = Literal["REPRODUCED", "BELOW", "ABOVE", "DIFFERS", "UNDERPOWERED", "NOT COMPARABLE", "NOT RUN"]


class Claim(Section):
    """One number, or one network to the bit, that somebody states."""

    id: str
    origin: Literal["paper", "repository"]
    statement: str
    printed: str
    """As it stands where it was published."""
    where: str
    experiment: str
    """Name in params.yaml of the experiment that tests it."""
    value: float | None = None
    """Accuracy in percent; null for a claim about weights."""
    tolerance: float | None = None
    """Points on both sides of `value` that count as the same."""
    tolerance_reason: str | None = None
    weights: dict[str, str] | None = None
    """SHA-256 of model.safetensors by platform, for a claim about weights."""
    seed: int | None = None
    """Of the training whose weights are claimed."""
    requires: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What a record must have for a comparison, by its parts `dataset`, `network` and `training`."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Claim":
        accuracy = None not in (self.value, self.tolerance, self.tolerance_reason)
        weights = None not in (self.weights, self.seed)
        if accuracy == weights:
            raise ValueError(f"{self.id}: expected value, tolerance and tolerance_reason, or weights and seed")
        return self


class Deviation(Section):
    """Where this repository knowingly does something else."""

    what: str
    of: str
    reason: str


class NotChecked(Section):
    what: str
    reason: str


class Registry(Section):
    """All of paper/claims.yaml."""

    claims: list[Claim]
    deviations: list[Deviation]
    not_checked: list[NotChecked]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with what it stands on."""

    claim: str
    verdict: Verdict
    reason: str
    differences: list[str]
    """Where the run is not what the claim requires."""
    seeds: list[int]
    samples: int | None
    """Test samples of one seed."""
    estimate: float | None
    """Mean accuracy over the seeds, in percent."""
    low: float | None
    """95 % interval for the choice of test samples."""
    high: float | None
    recorded: bool = False
    """True if a record of another run stands behind it."""


def read_claims(path: Path) -> Registry:
    """The checked content of claims.yaml. Raises InputError that names every wrong key."""
    return validate(Registry, read_yaml(path), path)


def judge(claim: Claim, records: list[Record]) -> Judgement:
    """The verdict on a claim from the records of its experiment, one a seed."""
    if claim.weights is not None:
        return _judge_weights(claim, [record for record in records if record.seed == claim.seed])
    if not records:
        return _without_number(claim, "NOT RUN", f"no result of experiment {claim.experiment}")
    assert claim.value is not None, "a claim about accuracy has a value"
    assert claim.tolerance is not None, "a claim about accuracy has a tolerance"
    differences = sorted({text for record in records for text in _differences(claim.requires, record)})
    correct, samples = fmean(record.test["correct"] for record in records), records[0].test["samples"]
    low, high = wilson(round(correct), samples)
    verdict, reason = _place(claim.value, claim.tolerance, low, high)
    if differences:
        verdict, reason = "NOT COMPARABLE", "what was run is not what the claim is about"
    return Judgement(
        claim=claim.id,
        verdict=verdict,
        reason=reason,
        differences=differences,
        seeds=[record.seed for record in records],
        samples=samples,
        estimate=100 * correct / samples,
        low=low,
        high=high,
    )


def _place(value: float, tolerance: float, low: float, high: float) -> tuple[Verdict, str]:
    """Where an interval lies to value +- tolerance: inside, outside, or across an end (equivalence test)."""
    start, end = max(value - tolerance, 0.0), min(value + tolerance, 100.0)
    if high < start:
        return "BELOW", f"the whole interval lies below {start:.2f} %"
    if low > end:
        return "ABOVE", f"the whole interval lies above {end:.2f} %"
    if start <= low and high <= end:
        return "REPRODUCED", f"the whole interval lies within {start:.2f} to {end:.2f} %"
    return (
        "UNDERPOWERED",
        f"the interval crosses an end of {start:.2f} to {end:.2f} %: more test samples are needed",
    )


def _differences(requires: Mapping[str, Mapping[str, Any]], record: Record) -> list[str]:
    texts = []
    for part, wanted in requires.items():
        had: Mapping[str, Any] = getattr(record, part)
        for key, value in wanted.items():
            if had.get(key) != value:
                texts.append(f"{part}.{key} is {had.get(key)}, the claim is about {value}")
    return texts


def _judge_weights(claim: Claim, records: list[Record]) -> Judgement:
    """Equal to the bit where it was trained on one platform that the claim names."""
    assert claim.weights is not None, "a claim about weights has digests"
    if not records:
        return _without_number(claim, "NOT RUN", f"no result of experiment {claim.experiment}, seed {claim.seed}")
    (record,) = records
    if differences := _differences(claim.requires, record):
        reason = "what was run is not what the claim is about"
        return _without_number(claim, "NOT COMPARABLE", reason, differences, [record.seed])
    platform = " and ".join(record.platforms)
    wanted, found = claim.weights.get(platform), record.digests["model"]
    if wanted is None:
        reason = f"trained on {platform}, for which no digest is claimed; this one is {found}"
        return _without_number(claim, "NOT COMPARABLE", reason, seeds=[record.seed])
    if wanted != found:
        return _without_number(claim, "DIFFERS", f"expected {wanted}, found {found} on {platform}", seeds=[record.seed])
    return _without_number(claim, "REPRODUCED", f"SHA-256 {found} on {platform}", seeds=[record.seed])


def _without_number(
    claim: Claim, verdict: Verdict, reason: str, differences: list[str] | None = None, seeds: list[int] | None = None
) -> Judgement:
    return Judgement(
        claim=claim.id,
        verdict=verdict,
        reason=reason,
        differences=differences or [],
        seeds=seeds or [],
        samples=None,
        estimate=None,
        low=None,
        high=None,
    )
