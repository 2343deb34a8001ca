"""results/seal.json: the planned runs, written before the first training, and how a report differs from them.

A seal does not prove its own time. Publishing its digest before the runs does (docs/verify.md).
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
"""Path relative to the repository, or to a report's evidence/."""
NOT_SEALED = "not sealed: nothing shows that the runs and margins were chosen before the results"


class SealedClaim(Section):
    """The values of a claim that its verdict depends on."""

    kind: str
    printed: str
    margin: float | None
    """Points; null for kinds of claims without a margin."""
    sha256: str
    """Digest of the whole claim: configuration, spread and wording."""


class Seal(Section):
    """The content of results/seal.json."""

    profile: str
    runs: list[str]
    """Names of the runs: <experiment>-<seed>."""
    experiments: dict[str, dict[str, JsonValue]]
    """The experiments of the runs: dataset, model and training, as in params.yaml."""
    rows: dict[str, Rows]
    """Digests of the samples, by dataset."""
    code: str
    """pipeline.ground.code.code_digest of the rooms (CONTRIBUTING.md) that can change a weight."""
    claims: dict[str, SealedClaim]

    def as_json(self) -> bytes:
        """The content of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=2).encode() + b"\n"


def make_seal(params: ResultParams, claims: Iterable[Claim], rows: dict[str, Rows], code: str) -> Seal:
    """The seal of all runs of a params.yaml. It does not depend on their order."""
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
    """Reads a seal. Raises InputError."""
    return validate(Seal, read_json(path, "`sresnet seal` writes it"), path)


def seal_lines(root: Path, audit: Audit) -> list[str]:
    """Text of a report about the seal below `root` (a repository, or the evidence of a report): one sentence, then one
    line per difference. Raises InputError.
    """
    path = root / SEAL
    if not path.exists():
        return [NOT_SEALED]
    found, digest = seal_differences(read_seal(path), audit), sha256(path)
    if not found:
        return [f"sealed, SHA-256 {digest}: the runs of this report are those that were sealed, no more and no less"]
    return [f"sealed, SHA-256 {digest}: this report is not what was sealed, {len(found)} difference(s):", *found]


def seal_differences(seal: Seal, audit: Audit) -> list[str]:
    """One line per difference between what was judged and what was sealed; empty if there is none."""
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
    """Differences of the runs. Results of other profiles count as runs of this report if a verdict uses them."""
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
    """Differences of one sealed run in experiment, samples and training code."""
    dataset, sealed = str(record.dataset["name"]), seal.experiments.get(record.experiment, {})
    experiment = {"dataset": dataset, "model": record.network, "training": record.training}
    yield from _changes(f"experiments.{record.experiment}", sealed, experiment)
    rows = {split: record.digests[f"{split}_rows"] for split in ("train", "test")}
    yield from _changes(f"rows.{dataset}", seal.rows[dataset].model_dump() if dataset in seal.rows else {}, rows)
    if not _trained_by(seal.code, record):
        yield f"{_run(record)}: the training code differs from the sealed one"


def _changes(where: str, sealed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """One line per key with another value; nested keys are joined by dots."""
    for key, one, other in value_differences(dict(sealed), dict(found)):
        yield f"{where}.{key.replace('/', '.')} was sealed as {one} and is {other}"


def _trained_by(code: str, record: Record) -> bool:
    """Whether this code gives the training its recorded identity, with a torch version that the record names."""
    splits = ("train_rows", "test_rows") if record.training["test_each_epoch"] else ("train_rows",)
    rows = [record.digests[split] for split in splits]
    versions = {platform.rpartition(", torch ")[2] for platform in record.platforms}
    names = {
        training_identity(record.network, record.training, record.seed, rows, code, version) for version in versions
    }
    return record.digests["identity"] in names
