"""A verdict's reason in a few words, as a summary above the full reason."""

from pipeline.judge.claims import AccuracyClaim, AgreementClaim, Claim, DifferenceClaim, StatementClaim, WeightsClaim
from pipeline.judge.measured import DECIDED_BY_IT, power_of_ten
from pipeline.judge.verdicts import Judgement


def brief(claim: Claim, judgement: Judgement) -> str:
    """The reason in up to ten words."""
    match judgement.verdict:
        case "NOT RUN":
            text = _not_run(claim)
        case "NOT COMPARABLE":
            text = _not_comparable(judgement)
        case "REPRODUCED":
            text = _same(claim)
        case "BELOW" | "ABOVE":
            text = f"the whole 90 % interval lies {judgement.verdict.lower()} the claimed range"
        case "DIFFERS":
            text = "other weights" if isinstance(claim, WeightsClaim) else "another number"
        case "UNDERPOWERED":
            text = _undecided(claim, judgement)
    return text


def _not_run(claim: Claim) -> str:
    if isinstance(claim, DECIDED_BY_IT):
        return "not measured"
    return "no run here can decide it" if isinstance(claim, StatementClaim) else "no comparable run"


def _same(claim: Claim) -> str:
    if isinstance(claim, WeightsClaim):
        return "the same bits on the same CPU model"
    if isinstance(claim, AccuracyClaim):
        return f"the whole 90 % interval lies within ± {claim.margin:g} points"
    if isinstance(claim, DifferenceClaim):
        return "the difference is as claimed"
    if isinstance(claim, AgreementClaim):
        return "equal" if claim.bound == 0 else f"equal to {power_of_ten(claim.bound)}"
    return "as counted on their code"


def _not_comparable(judgement: Judgement) -> str:
    if not judgement.differences:
        return "no digest is claimed for this processor"
    return f"what was run differs in {_count(len(judgement.differences), 'place')}"


def _undecided(claim: Claim, judgement: Judgement) -> str:
    have = len(judgement.seeds)
    if judgement.seeds_needed == 2:
        return f"{_count(have, 'seed')} cannot decide; at least 2 are needed"
    if judgement.seeds_needed is not None:
        return f"{_count(have, 'seed')} cannot decide; {judgement.seeds_needed} would"
    if judgement.samples_needed is not None:
        return f"about {judgement.samples_needed:,} test samples would decide"
    if isinstance(claim, DifferenceClaim):
        return f"{_count(have, 'pair')} of seeds cannot decide"
    return "the mean lies at an end of the claimed range"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
