"""audit.json of a report: every claim with its verdict. Nothing in it varies from run to run on one kind of machine."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.evaluate.record import Record, read_record
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json, sha256
from pipeline.ground.names import check_name, checked
from pipeline.ground.stage_record import RECORDS
from pipeline.judge.chain import breaks, stages_of
from pipeline.judge.claims import AccuracyClaim, Claim, Deviation, NotChecked, read_claims
from pipeline.judge.matching import FREE_OF_ACCURACY, matching_records, name_of
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
    """Results of other profiles whose evidence is there too, so that they count."""
    unchecked: list[Record]
    """Results of other profiles without it: they are shown and decide nothing."""

    @property
    def held(self) -> list[Record]:
        """Results that follow from predictions."""
        return [*self.records, *self.recorded]

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
    """Judges every claim on the records in results/ below `root` whose evidence lies there too.

    `current` are the records of this profile; `read` reads one, read_whole_record where a stranger made them.
    Raises InputError.
    """
    registry, results = read_claims(claims), root / "results"
    records = {path: read(path) for path in sorted({*results.glob("*/*.json"), *current})}
    for path, record in records.items():
        checked(f"{path}: experiment {record.experiment!r}", check_name, record.experiment)
        if path != results / record.experiment / f"{record.seed}.json":
            raise InputError(f"{path}: a record of {record.experiment}, seed {record.seed}: it belongs elsewhere")
    mine = [records.pop(path) for path in current]
    recorded = [record for record in records.values() if has_evidence(record, root)]
    unchecked = [record for record in records.values() if record not in recorded]
    return Audit(
        profile=profile,
        claims=registry.claims,
        judgements=judge_all(registry.claims, mine, recorded, unchecked),
        deviations=registry.deviations,
        not_checked=registry.not_checked,
        records=mine,
        recorded=recorded,
        unchecked=unchecked,
    )


def judge_all(
    claims: list[Claim], mine: list[Record], recorded: list[Record], unchecked: list[Record]
) -> list[Judgement]:
    """The judgements of an Audit, from its parts."""
    counted: list[Record] = []
    for record in (*mine, *recorded):  # a training that was done twice counts once
        if record in mine or _training(record) not in map(_training, counted):
            counted.append(record)
    return [_marked(claim, judge(claim, counted), mine, unchecked) for claim in claims]


def run_folder(record: Record) -> Path:
    """artifacts/<experiment>/<seed>, below the repository or evidence/."""
    return Path("artifacts") / record.experiment / str(record.seed)


def has_evidence(record: Record, root: Path) -> bool:
    """Whether what a record follows from lies below `root`: predictions, split, history, and an unbroken chain."""
    predictions, data = root / run_folder(record) / "predictions.parquet", root / "data" / "arrow"
    folder = data / str(record.dataset["name"])
    needed = [root / run_folder(record) / name for name in ("config.json", "history.csv")]
    needed += [folder / name for name in ("train.json", "test.json", "contents.arrow")]
    return (
        predictions.is_file()
        and all(path.is_file() for path in needed)
        and sha256(predictions) == record.digests["predictions"]
        and all(_rows_of(folder, split) == record.digests[f"{split}_rows"] for split in ("train", "test"))
        and not any(breaks(root / RECORDS, stages_of([record])))
    )


def _rows_of(folder: Path, split: str) -> Any:
    """The digest of the rows of a split."""
    return read_json(folder / f"{split}.json", "preprocessing writes it").get("digest")


def _training(record: Record) -> tuple[Any, ...]:
    """What makes two records those of one training, done twice."""
    rows = [record.digests.get(split) for split in ("train_rows", "test_rows")]
    return record.seed, record.network, record.training, rows


def _marked(claim: Claim, judgement: Judgement, mine: list[Record], unchecked: list[Record]) -> Judgement:
    """Says if records of other runs stand behind it, and how many more would if their evidence were there."""
    fitting: list[Record] = []
    if isinstance(claim, AccuracyClaim):
        fitting = matching_records(claim.configuration, unchecked, FREE_OF_ACCURACY)
    fitting = [record for record in fitting if record.seed not in judgement.seeds]
    more = f"; {len(fitting)} recorded result(s) of it are not checked and do not count" if fitting else ""
    recorded = not {name_of(record) for record in mine}.issuperset(judgement.evidence)
    return replace(judgement, recorded=recorded, reason=judgement.reason + more)
