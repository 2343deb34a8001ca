"""Details that the report shows of results: ledger and operations of a run, forensics of the paper's numbers."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.evaluate.ledger import Choice, choices
from pipeline.evaluate.operations import Kind, Operations, read_operations
from pipeline.evaluate.record import Record
from pipeline.judge.claims import AccuracyClaim, Claim
from pipeline.report import forensics
from pipeline.report.forensics import Forensics

PERCENTAGE = re.compile(r"\d+(\.\d+)? %", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Test samples that are left out if only full batches are scored."""

    test_batch: int
    ids: list[str]
    correct: int
    labels: dict[str, int]
    """Number of these samples by class, the most frequent class first."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Scoring ledger and operation counts of one run."""

    choices: list[Choice]
    left_out: LeftOut | None
    """None if the record has no ledger; `operations` is None if it has no operation counts."""
    operations: Operations | None

    @property
    def kinds(self) -> dict[Kind, list[str]]:
        """Names of the layers by the kind of their input."""
        layers = self.operations.synaptic().items() if self.operations else []
        kinds: tuple[Kind, ...] = ("binary", "graded", "real")
        return {kind: [name for name, work in layers if work.kind == kind] for kind in kinds}


def evidence_of(record: Record) -> Evidence:
    """The evidence of a record."""
    return Evidence(
        choices=choices(record.protocols, record.ledger, record.training),
        left_out=None if record.ledger is None else _left_out(record.ledger),
        operations=read_operations(record.operations),
    )


def _left_out(ledger: dict[str, Any]) -> LeftOut:
    dropped = ledger["dropped"]
    return LeftOut(
        test_batch=ledger["test_batch"],
        ids=[sample["id"] for sample in dropped],
        correct=sum(sample["correct"] for sample in dropped),
        labels=dict(Counter(sample["label"] for sample in dropped).most_common()),
    )


def examined_claims(claims: list[Claim]) -> list[tuple[Claim, Forensics]]:
    """Forensics of every percentage that the paper prints, with the batch size of the claim's training."""
    return [
        (claim, _examined(claim.printed, size, batch))
        for claim in claims
        if isinstance(claim, AccuracyClaim) and claim.origin == "paper" and PERCENTAGE.fullmatch(claim.printed)
        for size, batch in [_sizes(claim)]
    ]


@cache
def _examined(printed: str, size: int, batch: int) -> Forensics:
    return forensics.examine(forensics.read_printed(printed), size, (batch,))


def _sizes(claim: AccuracyClaim) -> tuple[int, int]:
    """Number of test samples, and batch size of the training."""
    return claim.configuration.dataset.test_samples, claim.configuration.training.batch_size
