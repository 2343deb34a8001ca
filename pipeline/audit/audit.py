"""results/audit.json: every claim with its verdict. Nothing in it varies from run to run on one kind of machine."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.audit.claims import Claim, Deviation, Judgement, NotChecked, judge, read_claims
from pipeline.audit.record import Record, read_record
from pipeline.files import write_whole


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

    def write(self, path: Path) -> None:
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
        write_whole(path, json.dumps(content, indent=2).encode() + b"\n")


def make_audit(profile: str, claims: Path, results: Path, current: list[Path]) -> Audit:
    """Judges every claim on all records in the folder `results`; `current` are those of this profile.

    Raises InputError.
    """
    registry = read_claims(claims)
    records = {path: read_record(path) for path in sorted([*results.glob("*/*.json"), *current])}
    judged = [
        judge(claim, [record for record in records.values() if record.experiment == claim.experiment])
        for claim in registry.claims
    ]
    return Audit(
        profile=profile,
        claims=registry.claims,
        judgements=judged,
        deviations=registry.deviations,
        not_checked=registry.not_checked,
        records=[records[path] for path in current],
        recorded=[record for path, record in records.items() if path not in current],
    )
