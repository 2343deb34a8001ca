"""results/audit.json: every claim with its verdict. Nothing in it varies from run to run on one kind of machine."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.audit.claims import Claim, Deviation, Judgement, NotChecked, judge, read_claims
from pipeline.audit.record import Record, read_record
from pipeline.errors import InputError
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
    records = {path: read_record(path) for path in sorted({*results.glob("*/*.json"), *current})}
    for path, record in records.items():
        if path != results / record.experiment / f"{record.seed}.json":
            raise InputError(f"{path}: a record of {record.experiment}, seed {record.seed}: it belongs elsewhere")
    judged = [_judge(claim, records, current) for claim in registry.claims]
    return Audit(
        profile=profile,
        claims=registry.claims,
        judgements=judged,
        deviations=registry.deviations,
        not_checked=registry.not_checked,
        records=[records[path] for path in current],
        recorded=[record for path, record in records.items() if path not in current],
    )


def _judge(claim: Claim, records: dict[Path, Record], current: list[Path]) -> Judgement:
    """The verdict from this run's records; where it has none, from recorded ones."""
    about = {path: record for path, record in records.items() if record.experiment == claim.experiment}
    own = {path: record for path, record in about.items() if path in current}
    judgement = judge(claim, list((own or about).values()))
    return replace(judgement, recorded=bool(about) and not own)
