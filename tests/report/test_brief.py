"""A verdict's reason in a few words, for each kind of claim."""

from dataclasses import replace

import pytest

from pipeline.judge.claims import AgreementClaim, Claim
from pipeline.judge.verdicts import Verdict, judge
from pipeline.report.brief import brief
from tests.judge.claimed import STATED, accuracy, counted, difference, weights

AGREEMENT = AgreementClaim(kind="agreement", of="logits", bound=1e-9, printed="recorded", **STATED)


@pytest.mark.parametrize(
    ("claim", "verdict", "text"),
    [
        (accuracy(), "NOT RUN", "no comparable run"),
        (counted(), "NOT RUN", "not measured"),
        (counted(), "REPRODUCED", "as counted on their code"),
        (AGREEMENT, "REPRODUCED", "equal to 1e-9"),
        (AGREEMENT, "DIFFERS", "another number"),
        (weights(), "REPRODUCED", "the same bits on the same CPU model"),
        (weights(), "NOT COMPARABLE", "no digest is claimed for this processor"),
        (weights(), "DIFFERS", "other weights"),
        (difference(), "REPRODUCED", "the difference is as claimed"),
        (difference(), "UNDERPOWERED", "0 pairs of seeds cannot decide"),
    ],
)
def test_the_words_fit_the_claim(claim: Claim, verdict: Verdict, text: str) -> None:
    judgement = replace(judge(claim, []), verdict=verdict, differences=[])
    assert brief(claim, judgement) == text


def test_one_seed_promises_nothing_of_two() -> None:
    judgement = replace(judge(accuracy(), []), verdict="UNDERPOWERED", seeds=[0], seeds_needed=2)
    assert brief(accuracy(), judgement) == "1 seed cannot decide; at least 2 are needed"
    assert brief(accuracy(), replace(judgement, seeds=[0, 1], seeds_needed=5)) == "2 seeds cannot decide; 5 would"
