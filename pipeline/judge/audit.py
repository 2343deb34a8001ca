"""audit.json of a report: every claim with its verdict. On one kind of machine its bytes are always the same."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.record import Record, read_record
from pipeline.ground.errors import InputError
from pipeline.ground.names import check_name, checked
from pipeline.judge.answered import checked_hits
from pipeline.judge.chain import stages_of
from pipeline.judge.claims import AccuracyClaim, Claim, Deviation, DifferenceClaim, NotChecked, read_claims
from pipeline.judge.matching import FREE_OF_ACCURACY, matching_records, name_of
from pipeline.judge.measured import AGREEMENT_STAGE, MEASURED, Measured, needs_measuring, read_measured
from pipeline.judge.verdicts import Judgement, judge

_BY_ANSWERS = (AccuracyClaim, DifferenceClaim)
"""Claims that per-sample answers decide; weights are not needed."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The claims with their judgements, and the results that these are based on."""

    profile: str
    claims: list[Claim]
    judgements: list[Judgement]
    """In the order of the claims."""
    deviations: list[Deviation]
    not_checked: list[NotChecked]
    records: list[Record]
    """This profile's results."""
    recorded: list[Record]
    """Results of other profiles whose per-sample answers exist and give their numbers. Their accuracy counts."""
    unchecked: list[Record]
    """Results of other profiles without per-sample answers. They are shown, but decide nothing."""
    hits: dict[str, SampleHits]
    """By record (name_of), what the per-sample answers of `recorded` get right."""
    measured: Measured | None
    """Measurements that decide the claims that need no training; None if there are none."""

    @property
    def held(self) -> list[Record]:
        """Results whose numbers follow from per-sample answers."""
        return [*self.records, *self.recorded]

    @property
    def stages(self) -> list[str]:
        """The DVC stages that the report is based on, in order of their dependencies."""
        return stages_of(self.records) + ([AGREEMENT_STAGE] if needs_measuring(self.claims) else [])

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


def make_audit(
    profile: str, claims: Path, root: Path, current: list[Path], read: Callable[[Path], Record] = read_record
) -> Audit:
    """Judges every claim on the records in results/ below `root` that have per-sample answers.

    `current` are the paths of this profile's records. `read` reads a record: read_whole_record for untrusted ones.
    Raises InputError.
    """
    registry, results = read_claims(claims), root / "results"
    records = {path: read(path) for path in sorted({*results.glob("*/*.json"), *current})}
    for path, record in records.items():
        checked(f"{path}: experiment {record.experiment!r}", check_name, record.experiment)
        if path != results / record.experiment / f"{record.seed}.json":
            raise InputError(f"{path}: a record of {record.experiment}, seed {record.seed}: it belongs elsewhere")
    # in an order that does not depend on params.yaml's, since verify reads that of the evidence
    mine = [records.pop(path) for path in sorted(current, key=lambda path: (path.parent.name, int(path.stem)))]
    answered = {name_of(record): checked_hits(record, root) for record in records.values()}
    hits = {name: found for name, found in answered.items() if found is not None}
    recorded = [record for record in records.values() if name_of(record) in hits]
    unchecked = [record for record in records.values() if name_of(record) not in hits]
    measured = read_measured(root)
    return Audit(
        profile=profile,
        claims=registry.claims,
        judgements=judge_all(registry.claims, mine, recorded, unchecked, measured),
        deviations=registry.deviations,
        not_checked=registry.not_checked,
        records=mine,
        recorded=recorded,
        unchecked=unchecked,
        hits=hits,
        measured=measured,
    )


def judge_all(
    claims: list[Claim],
    mine: list[Record],
    recorded: list[Record],
    unchecked: list[Record],
    measured: Measured | None,
) -> list[Judgement]:
    """One judgement per claim, in the order of the claims; the arguments are fields of Audit."""
    counted: list[Record] = []
    for record in (*mine, *recorded):  # the same training under two names counts once
        if record in mine or _training(record) not in map(_training, counted):
            counted.append(record)
    judgements = [judge(claim, counted if isinstance(claim, _BY_ANSWERS) else mine, measured) for claim in claims]
    return [_marked(claim, one, mine, unchecked) for claim, one in zip(claims, judgements, strict=True)]


def run_folder(record: Record) -> Path:
    """artifacts/<experiment>/<seed>, relative to the repository or to evidence/."""
    return Path("artifacts") / record.experiment / str(record.seed)


def _training(record: Record) -> tuple[Any, ...]:
    """Key that is equal for two records of the same training."""
    rows = [record.digests.get(split) for split in ("train_rows", "test_rows")]
    return record.seed, record.network, record.training, rows


def _marked(claim: Claim, judgement: Judgement, mine: list[Record], unchecked: list[Record]) -> Judgement:
    """The judgement, marked if it uses recorded results; its reason says how many lack answers and do not count."""
    fitting: list[Record] = []
    if isinstance(claim, AccuracyClaim):
        fitting = matching_records(claim.configuration, unchecked, FREE_OF_ACCURACY)
    fitting = [record for record in fitting if record.seed not in judgement.seeds]
    more = f"; {len(fitting)} recorded result(s) of it are not checked and do not count" if fitting else ""
    recorded = not {MEASURED.name, *map(name_of, mine)}.issuperset(judgement.evidence)
    return replace(judgement, recorded=recorded, reason=judgement.reason + more)
