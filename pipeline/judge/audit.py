"""audit.json of a report: every claim with its verdict. Nothing in it varies from run to run on one kind of machine."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.evaluate.record import Record, read_record
from pipeline.ground.errors import InputError
from pipeline.judge.claims import Claim, Deviation, NotChecked, read_claims
from pipeline.judge.matching import name_of
from pipeline.judge.verdicts import Judgement, judge


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Claims beside what was found."""

    profile: str
    claims: list[Claim]
    judgements: list[Judgement]
    """In the order of the claims."""
    deviations: list[Deviation]
    not_checked: list[NotChecked]
    records: list[Record]
    """This profile's results."""
    recorded: list[Record]
    """Results of other profiles that lie in results/."""

    def as_json(self) -> bytes:
        """The content of audit.json."""
        content = {
            "profile": self.profile,
            "claims": [
                claim.model_dump(mode="json") | asdict(judgement)
                for claim, judgement in zip(self.claims, self.judgements, strict=True)
            ],
            "deviations": [deviation.model_dump() for deviation in self.deviations],
            "not_checked": [item.model_dump() for item in self.not_checked],
            "results": [
                {"experiment": r.experiment, "seed": r.seed, "dataset": r.dataset["title"], "digests": r.digests}
                for r in self.records
            ],
        }
        return json.dumps(content, indent=2).encode() + b"\n"


def make_audit(profile: str, claims: Path, results: Path, current: list[Path]) -> Audit:
    """Judges every claim on all records in the folder `results`; `current` are those of this profile.

    Raises InputError.
    """
    registry = read_claims(claims)
    records = {path: read_record(path) for path in sorted({*results.glob("*/*.json"), *current})}
    for path, record in records.items():
        if path != results / record.experiment / f"{record.seed}.json":
            raise InputError(f"{path}: a record of {record.experiment}, seed {record.seed}: it belongs elsewhere")
    mine = [records[path] for path in current]
    own, ours = {name_of(record) for record in mine}, [_training(record) for record in mine]
    counted = mine + [
        record for path, record in records.items() if path not in current and _training(record) not in ours
    ]
    judged = [_marked(judge(claim, counted), own) for claim in registry.claims]
    return Audit(
        profile=profile,
        claims=registry.claims,
        judgements=judged,
        deviations=registry.deviations,
        not_checked=registry.not_checked,
        records=mine,
        recorded=[record for path, record in records.items() if path not in current],
    )


def _training(record: Record) -> tuple[Any, ...]:
    """What makes two records those of one training, done twice: a seed counts once, and then as this profile did it."""
    rows = [record.digests.get(split) for split in ("train_rows", "test_rows")]
    return record.seed, record.network, record.training, rows


def _marked(judgement: Judgement, own: set[str]) -> Judgement:
    """Says if records of other runs stand behind it."""
    return replace(judgement, recorded=not own.issuperset(judgement.evidence))
