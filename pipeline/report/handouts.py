"""Files of a report for use elsewhere: badges, a card for a README, model cards, and a table of results.

They depend only on the audit, so `sresnet verify` writes them again and compares the bytes.
"""

from collections.abc import Iterable

from pipeline.judge.audit import Audit
from pipeline.judge.claims import Claim
from pipeline.judge.verdicts import Judgement
from pipeline.report.badge import badge
from pipeline.report.model_card import model_card
from pipeline.report.results_csv import results_csv
from pipeline.report.summary import headline, summary, tally


def handouts(audit: Audit) -> dict[str, bytes]:
    """The content of each file by its path in the report's folder."""
    main = headline(audit)
    files = {"badge.svg": _badge_of_all(main), "card.md": _card(audit), "results.csv": results_csv(audit)}
    files |= {
        f"badges/{claim.id}.svg": badge(
            f"{claim.configuration.dataset.title} {claim.printed}", _found(one), one.verdict
        )
        for claim, one in main
    }
    cards = {f"models/{record.experiment}-{record.seed}.md": model_card(record, audit) for record in audit.records}
    return files | cards


def _badge_of_all(main: Iterable[tuple[Claim, Judgement]]) -> bytes:
    verdicts = [judgement.verdict for _, judgement in main]
    said = verdicts[0] if len(set(verdicts)) == 1 else "several"
    return badge(f"{len(verdicts)} accuracies of the paper", tally(verdicts), said)


def _found(judgement: Judgement) -> str:
    """Verdict, with accuracy and number of seeds if there is an estimate; an accuracy without its n would mislead."""
    if judgement.estimate is None:
        return judgement.verdict
    return f"{judgement.verdict} {judgement.estimate:.2f} %, n = {len(judgement.seeds)}"


def _card(audit: Audit) -> bytes:
    """Markdown for a README; paths of its pictures are relative to the report's folder."""
    numbers = summary(audit)
    every = tally(judgement.verdict for judgement in audit.judgements)
    rows = "".join(
        f"| {claim.statement} | {claim.printed} | {_interval(judgement)} | {_runs(judgement)} "
        f"| ![{judgement.verdict}](badges/{claim.id}.svg) |\n"
        for claim, judgement in headline(audit)
    )
    return f"""### Reproduction of “Keys to Accurate Feature Extraction Using Residual Spiking Neural Networks”

{numbers["answer"]}. All {numbers["claims"]} claims under audit: {every}.

| claim | printed | found, 90 % interval | runs | verdict |
| --- | --- | --- | --- | --- |
{rows}
Profile {audit.profile}: {numbers["runs"]} trainings computed, {numbers["recorded"]} recorded before.
A shortened run, or one on other data, is never compared with the paper’s number. `sresnet verify` derives each number
of this card anew from the predictions.
""".encode()


def _interval(judgement: Judgement) -> str:
    if judgement.estimate is None:
        return "–"
    return f"{judgement.estimate:.2f} % [{judgement.low:.2f}, {judgement.high:.2f}]"


def _runs(judgement: Judgement) -> str:
    return f"{len(judgement.seeds)}" if judgement.samples is None else f"{len(judgement.seeds)} x {judgement.samples:,}"
