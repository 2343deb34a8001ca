"""results/seal.json: what will be run, written before the first training; and where a report is not what was sealed.

A seal says nothing of its own time: whoever publishes its digest before the runs can show it (docs/verify.md).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from pipeline.evaluate.record import Record
from pipeline.ground.differences import value_differences
from pipeline.ground.files import read_json, sha256
from pipeline.ground.params import Section
from pipeline.ground.schema import validate
from pipeline.judge.audit import Audit
from pipeline.judge.claims import Claim, Rows
from pipeline.judge.matching import name_of
from pipeline.protocol.identity import training_identity
from pipeline.protocol.params import ResultParams

SEAL = Path("results") / "seal.json"
"""Below the repository and in a report's evidence."""
NOT_SEALED = "not sealed: nothing shows that the runs and margins were chosen before the results"


class SealedClaim(Section):
    """What a verdict on a claim hangs on."""

    kind: str
    printed: str
    margin: float | None
    """Points; null for a kind that has none."""
    sha256: str
    """Of the whole claim: configuration, spread and wording."""


class Seal(Section):
    """All of results/seal.json."""

    profile: str
    runs: list[str]
    """<experiment>-<seed>."""
    experiments: dict[str, dict[str, JsonValue]]
    """Those of the runs: dataset, model and training, as params.yaml has them."""
    rows: dict[str, Rows]
    """Of each of their datasets."""
    code: str
    """pipeline.ground.code.code_digest of the rooms that can change a weight."""
    claims: dict[str, SealedClaim]

    def as_json(self) -> bytes:
        """The content of its file."""
        return json.dumps(self.model_dump(mode="json"), indent=2).encode() + b"\n"


def make_seal(params: ResultParams, claims: Iterable[Claim], rows: dict[str, Rows], code: str) -> Seal:
    """The seal of all runs of a params.yaml; the same whatever their order."""
    experiments = sorted({run.experiment for run in params.runs.values()})
    return Seal(
        profile=params.profile,
        runs=sorted(params.runs),
        experiments={name: params.experiments[name].model_dump(mode="json") for name in experiments},
        rows=dict(sorted(rows.items())),
        code=code,
        claims={claim.id: _sealed(claim) for claim in claims},
    )


def _sealed(claim: Claim) -> SealedClaim:
    content = json.dumps(claim.model_dump(mode="json", exclude_none=True), sort_keys=True)
    return SealedClaim(
        kind=claim.kind,
        printed=claim.printed,
        margin=getattr(claim, "margin", None),
        sha256=hashlib.sha256(content.encode()).hexdigest(),
    )


def read_seal(path: Path) -> Seal:
    """The content of a seal. Raises InputError."""
    return validate(Seal, read_json(path, "`sresnet seal` writes it"), path)


def seal_lines(root: Path, audit: Audit) -> list[str]:
    """What a report says of the seal below `root`, a repository or the evidence of a report: a sentence, and then a
    line for each difference. Raises InputError.
    """
    path = root / SEAL
    if not path.exists():
        return [NOT_SEALED]
    found, digest = seal_differences(read_seal(path), audit), sha256(path)
    if not found:
        return [f"sealed, SHA-256 {digest}: the runs of this report are those that were sealed, no more and no less"]
    return [f"sealed, SHA-256 {digest}: this report is not what was sealed, {len(found)} difference(s):", *found]


def seal_differences(seal: Seal, audit: Audit) -> list[str]:
    """Where what was judged is not what was sealed, a line each; empty if it is."""
    if seal.profile != audit.profile:
        return [f"the runs of profile {seal.profile} were sealed, and this report is about profile {audit.profile}"]
    lines = [*_runs(seal, audit), *_claims(seal, audit)]
    for record in audit.held:
        if _run(record) in seal.runs:
            lines += _training(seal, record)
    return list(dict.fromkeys(lines))  # runs of one experiment differ in the same places


def _run(record: Record) -> str:
    return f"{record.experiment}-{record.seed}"


def _runs(seal: Seal, audit: Audit) -> Iterator[str]:
    """Results of other profiles count as runs of this report where a verdict rests on them."""
    evidence = {name for judgement in audit.judgements for name in judgement.evidence}
    counted = [*audit.records, *(record for record in audit.recorded if name_of(record) in evidence)]
    held = {_run(record) for record in audit.held}
    yield from (f"{run} was sealed and is not in this report" for run in seal.runs if run not in held)
    yield from (
        f"{_run(record)} is in this report and was not sealed" for record in counted if _run(record) not in seal.runs
    )


def _claims(seal: Seal, audit: Audit) -> Iterator[str]:
    found = {claim.id: _sealed(claim) for claim in audit.claims}
    yield from (f"{name} was sealed and is not among the claims" for name in seal.claims if name not in found)
    for name, claim in found.items():
        if name not in seal.claims:
            yield f"{name} is among the claims and was not sealed"
        elif (sealed := seal.claims[name]) != claim:
            changed = [
                f"{name}: {what} was sealed as {one} and is {other}"
                for what, one, other in (
                    ("the kind", sealed.kind, claim.kind),
                    ("what is printed", sealed.printed, claim.printed),
                    ("the margin", sealed.margin, claim.margin),
                )
                if one != other
            ]
            yield from changed or [f"{name}: its configuration, spread or wording is not what was sealed"]


def _training(seal: Seal, record: Record) -> Iterator[str]:
    """Of a sealed run."""
    dataset, sealed = str(record.dataset["name"]), seal.experiments.get(record.experiment, {})
    experiment = {"dataset": dataset, "model": record.network, "training": record.training}
    yield from _changes(f"experiments.{record.experiment}", sealed, experiment)
    rows = {split: record.digests[f"{split}_rows"] for split in ("train", "test")}
    yield from _changes(f"rows.{dataset}", seal.rows[dataset].model_dump() if dataset in seal.rows else {}, rows)
    if not _trained_by(seal.code, record):
        yield f"{_run(record)}: the training code differs from the sealed one"


def _changes(where: str, sealed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """A line for each key, those within joined by dots, that has another value."""
    for key, one, other in value_differences(dict(sealed), dict(found)):
        yield f"{where}.{key.replace('/', '.')} was sealed as {one} and is {other}"


def _trained_by(code: str, record: Record) -> bool:
    """Whether this code gives the training its recorded name, with a torch that a processor of it names."""
    splits = ("train_rows", "test_rows") if record.training["test_each_epoch"] else ("train_rows",)
    rows = [record.digests[split] for split in splits]
    versions = {platform.rpartition(", torch ")[2] for platform in record.platforms}
    names = {
        training_identity(record.network, record.training, record.seed, rows, code, version) for version in versions
    }
    return record.digests["identity"] in names
