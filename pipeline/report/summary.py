"""Summary of a report: the answer in one sentence, and the number of claims with each verdict."""

from collections import Counter
from collections.abc import Iterable

from pipeline.judge.audit import Audit
from pipeline.judge.claims import AccuracyClaim, Claim
from pipeline.judge.verdicts import Judgement

ORIGINS = {"paper": "the paper", "code": "the authors’ code", "repository": "this repository"}
WORDS = {
    "REPRODUCED": "reproduced",
    "BELOW": "below what is printed",
    "ABOVE": "above what is printed",
    "DIFFERS": "different",
    "UNDERPOWERED": "undecided",
    "NOT COMPARABLE": "run otherwise than claimed",
    "NOT RUN": "not run",
}


def summary(audit: Audit) -> dict[str, int | str]:
    """Numbers and sentence by name. The page shows them, and `sresnet verify` computes them again."""
    pairs = list(zip(audit.claims, audit.judgements, strict=True))
    counted = Counter(f"{judgement.verdict}" for _, judgement in pairs)
    counted.update(f"{claim.origin}/{judgement.verdict}" for claim, judgement in pairs)
    return {
        "answer": answer(audit)[0].upper() + answer(audit)[1:],
        "claims": len(pairs),
        "runs": len(audit.records),
        "recorded": len(audit.recorded),
        "unchecked": len(audit.unchecked),
        "samples": sum(record.test["samples"] for record in audit.held),
        **counted,
    }


def by_verdict(audit: Audit) -> list[tuple[Claim, Judgement]]:
    """The claims with their judgements, those that were decided first."""
    pairs = zip(audit.claims, audit.judgements, strict=True)
    return sorted(pairs, key=lambda pair: list(WORDS).index(pair[1].verdict))


def headline(audit: Audit) -> list[tuple[AccuracyClaim, Judgement]]:
    """The accuracy claims of the paper with their judgements."""
    pairs = zip(audit.claims, audit.judgements, strict=True)
    return [(claim, judgement) for claim, judgement in pairs if _of_the_paper(claim)]  # type: ignore[misc]


def by_dataset(audit: Audit) -> dict[str, list[tuple[AccuracyClaim, Judgement]]]:
    """The headline by title of the dataset; the final version of the paper comes first."""
    grouped: dict[str, list[tuple[AccuracyClaim, Judgement]]] = {}
    for claim, judgement in headline(audit):
        grouped.setdefault(claim.configuration.dataset.title, []).append((claim, judgement))
    return grouped


def _of_the_paper(claim: Claim) -> bool:
    return isinstance(claim, AccuracyClaim) and claim.origin == "paper"


def answer(audit: Audit) -> str:
    """A sentence with the outcome for the paper's accuracies and for the claims about the authors' code."""
    verdicts = [judgement.verdict for _, judgement in headline(audit)]
    if set(verdicts) == {"NOT RUN"}:
        paper = f"none of the paper’s {len(verdicts)} accuracies has been run here"
    else:
        paper = f"of the paper’s {len(verdicts)} accuracies: {tally(verdicts)}"
    return "; ".join([*_of_the_code(audit), paper])


def _of_the_code(audit: Audit) -> list[str]:
    pairs = zip(audit.claims, audit.judgements, strict=True)
    verdicts = [judgement.verdict for claim, judgement in pairs if claim.origin == "code"]
    if set(verdicts) <= {"NOT RUN"}:
        return []
    return [f"{verdicts.count('REPRODUCED')} of {len(verdicts)} comparisons with the authors’ code hold"]


def tally(verdicts: Iterable[str]) -> str:
    """Counts of verdicts as text, in the order of WORDS: 1 reproduced, 2 not run."""
    counted = Counter(verdicts)
    return ", ".join(f"{counted[verdict]} {text}" for verdict, text in WORDS.items() if counted[verdict])
