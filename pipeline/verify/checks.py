"""The steps of `sresnet verify`, in the order of the chain: each gives the places where it does not hold."""

import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.data.contents import read_contents
from pipeline.data.store import Content, Manifest
from pipeline.evaluate.metrics import TestCounts
from pipeline.evaluate.predictions import read_predictions
from pipeline.evaluate.record import Record, dataset_of, scored, test_of
from pipeline.ground.files import sha256
from pipeline.ground.stage_record import RECORDS, StageRecord, path_of
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge.audit import Audit, make_audit
from pipeline.protocol.sampler import epoch_batches, hold_out
from pipeline.report import attestation, chain, crate, printed
from pipeline.report.bundle import EVIDENCE, SPLITS, place, run_folder
from pipeline.report.chain import REPORT, Break
from pipeline.report.handouts import handouts
from pipeline.report.split_manifest import split_manifest
from pipeline.report.summary import by_dataset, headline, summary
from pipeline.train.used import epoch_digest
from pipeline.verify.configurations import training_config

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

IN_THE_TABLE = ("samples", "top1_percent", "top1_low", "top1_high")
OF_A_RUN = ("correct", *IN_THE_TABLE)
INTERVAL = ("estimate", "low", "high")


class Report:
    """A report's folder, read when asked. Its properties raise InputError."""

    def __init__(self, folder: Path, pinned: "SSlibKey | None", root: Path | None) -> None:
        self.folder, self.evidence = folder, folder / EVIDENCE
        self.pinned = pinned
        """The key whose signatures count, if the reader names one."""
        self.root = root
        """A checkout that holds data and weights."""
        self.described = crate.read_crate(folder)
        self._digests: dict[Path, str] = {}

    def sha256(self, path: Path) -> str:
        """Digest of a file, computed once."""
        if path not in self._digests:
            self._digests[path] = sha256(path)
        return self._digests[path]

    def name(self, path: Path) -> str:
        """A file's path in the folder."""
        return path.relative_to(self.folder).as_posix()

    def predictions_of(self, record: Record) -> Path:
        return self.evidence / run_folder(record) / "predictions.parquet"

    def config(self, record: Record) -> dict[str, Any]:
        """What the weights of a result were trained with."""
        config: dict[str, Any] = json.loads((self.evidence / run_folder(record) / "config.json").read_bytes())
        return config

    @cached_property
    def signer(self) -> "SSlibKey | None":
        """The pinned key, else the one that came with the signatures, else None."""
        if self.pinned is not None or not attestation.is_signed(self.folder):
            return self.pinned
        from pipeline.report.signing import read_public_key

        return read_public_key(self.folder / attestation.STATEMENTS / attestation.KEY_FILE)

    @cached_property
    def params(self) -> dict[str, Any]:
        return read_yaml(self.evidence / "params.yaml")

    @cached_property
    def audit(self) -> Audit:
        """All verdicts, judged anew on the results in the folder."""
        claims, results = self.evidence / "paper" / "claims.yaml", self.evidence / "results"
        current = [results / run["experiment"] / f"{run['seed']}.json" for run in self.params["runs"].values()]
        return make_audit(self.params["profile"], claims, results, current)

    @cached_property
    def held(self) -> list[Record]:
        """Results that have to be derivable: those of this profile, and others whose predictions are here."""
        return [*self.audit.records, *(r for r in self.audit.recorded if self.predictions_of(r).exists())]

    @cached_property
    def stages(self) -> list[str]:
        """Stages that the chain has to have, in its order."""
        return [*chain.stages_of(self.held), REPORT]

    @cached_property
    def records(self) -> list[StageRecord]:
        return chain.read_stage_records(self.evidence / RECORDS, self.stages)

    @cached_property
    def values(self) -> dict[str, Any]:
        """What the page can print, by name."""
        audit = self.audit
        values: dict[str, Any] = dict(summary(audit))
        for claim, judgement in zip(audit.claims, audit.judgements, strict=True):
            values |= {f"audit/{claim.id}/{key}": value for key, value in asdict(judgement).items()}
        for record in (*audit.records, *audit.recorded):
            for part in ("test", "protocols"):
                name = f"results/{record.experiment}/{record.seed}/{part}"
                values |= {f"{name}/{key}": value for key, value in getattr(record, part).items()}
        return values

    @cached_property
    def required(self) -> list[str]:
        """Names of the values that the page has to print, each as often as it has to."""
        audit = self.audit
        names = [name for name in self.values if name.startswith("summary/")]
        names += [f"audit/{claim.id}/{key}" for claim in audit.claims for key in printed.OF_A_CLAIM]
        names += [f"audit/{claim.id}/verdict" for claim, _ in headline(audit)]
        names += [f"audit/{main[0].id}/{key}" for main, *_ in by_dataset(audit).values() for key in INTERVAL]
        names += [f"results/{r.experiment}/{r.seed}/test/{key}" for r in audit.records for key in OF_A_RUN]
        every = (*audit.records, *audit.recorded)
        names += [f"results/{r.experiment}/{r.seed}/test/{key}" for r in every for key in IN_THE_TABLE]
        return [name for name in names if self.values[name] is not None]

    def written(self) -> dict[str, str]:
        """Digests of files that stages wrote."""
        return {file.path: file.sha256 for record in self.records for file in record.writes}

    def only_named(self) -> dict[str, str]:
        """Those that do not lie in the folder."""
        return {path: digest for path, digest in self.written().items() if not place(self.folder, path).exists()}

    def packages_that_differ(self) -> list[str]:
        """Packages of which stages had several versions."""
        found: dict[str, dict[str, str]] = {}
        for record in self.records:
            for package, version in record.packages.items():
                found.setdefault(package, {}).setdefault(version, record.stage)
        return [
            f"{package} {', '.join(f'{version} ({stage})' for version, stage in versions.items())}"
            for package, versions in found.items()
            if len(versions) > 1
        ]


def files(report: Report) -> Iterator[Break]:
    """Every file has the bytes that ro-crate-metadata.json lists; no other file lies there."""
    for file in report.described.files.values():
        path, expected = report.folder / file.path, f"SHA-256 {file.sha256} as {attestation.METADATA} lists it"
        if not path.is_file():
            yield Break(link="files", file=file.path, expected=expected, found="no such file")
        elif (found := report.sha256(path)) != file.sha256:
            yield Break(link="files", file=file.path, expected=expected, found=found)
    for path in sorted(report.folder.rglob("*")):
        inside = path.relative_to(report.folder)
        if path.is_file() and inside.as_posix() not in report.described.files and not crate.is_about(inside):
            expected = f"only files that {attestation.METADATA} lists"
            yield Break(link="files", file=inside.as_posix(), expected=expected, found="this one")


def statements(report: Report) -> Iterator[Break]:
    """Every statement says what its stage's record says, and so does the stage's action."""
    metadata = report.sha256(report.folder / attestation.METADATA)
    yield from _one_statement(report, attestation.CRATE, attestation.crate_statement(metadata))
    for record in report.records:
        own = report.sha256(report.evidence / path_of(record.stage))
        yield from _one_statement(report, record.stage, attestation.statement(record, own))
        digests = ({file.sha256 for file in record.reads}, {file.sha256 for file in record.writes})
        if report.described.actions.get(record.stage) != digests:
            expected = f"the files of {record.stage}'s record in its action"
            yield Break(link="statements", file=attestation.METADATA, expected=expected, found="others, or no action")


def _one_statement(report: Report, name: str, expected: dict[str, Any]) -> Iterator[Break]:
    path = report.folder / attestation.STATEMENTS / f"{name}.json"
    if not path.exists():
        yield Break(
            link="statements", file=report.name(path), expected=f"the statement of {name}", found="no such file"
        )
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    for where, one, other in value_differences(json.loads(json.dumps(expected)), found):
        yield Break(link="statements", file=report.name(path), expected=f"{where} {one}", found=str(other))
        return


def signatures(report: Report) -> Iterator[Break]:
    """If the report is signed, or has to be, every statement is, by one key, over its very bytes."""
    if report.signer is None:
        return
    if not attestation.is_signed(report.folder):
        expected = f"signatures of key {report.signer.keyid}"
        yield Break(link="signatures", file=attestation.STATEMENTS.as_posix(), expected=expected, found="none")
        return
    from pipeline.report.signing import signature_breaks

    yield from signature_breaks(report.folder, report.signer)


def links(report: Report) -> Iterator[Break]:
    """Every stage is recorded and read what an earlier one wrote; copies in the folder are what was written."""
    yield from chain.breaks(report.evidence / RECORDS, report.stages)
    for record in report.records:
        for file in record.writes:
            path = place(report.folder, file.path)
            if path.is_file() and report.sha256(path) != file.sha256:
                expected = f"SHA-256 {file.sha256} as {record.stage} wrote it"
                yield Break(link="chain", file=report.name(path), expected=expected, found=report.sha256(path))


def elsewhere(report: Report) -> Iterator[Break]:
    """What stages wrote, in a checkout that the reader names: data and weights, and what also lies in the report."""
    if report.root is None:
        return
    made = {name: digest for name, digest in report.written().items() if name.startswith(("data/", "artifacts/"))}
    for name, digest in sorted((made | report.only_named()).items()):
        path = report.root / name
        found = sha256(path) if path.is_file() else "no such file"
        if found != digest:
            yield Break(link="data and weights", file=str(path), expected=f"SHA-256 {digest}", found=found)


def split(report: Report) -> Iterator[Break]:
    """The predictions are of the very samples, with the very labels, of the test split."""
    for record in report.held:
        path = report.predictions_of(record)
        folder = report.evidence / "data" / "arrow" / str(record.dataset["name"])
        table, contents = pq.read_table(path, columns=["id", "label"]), read_contents(folder)
        train, test = (Manifest(**json.loads((folder / f"{part}.json").read_bytes())) for part in ("train", "test"))
        config = f"{EVIDENCE}/{run_folder(record)}/config.json"
        result = f"results/{record.experiment}/{record.seed}.json"
        pairs = [
            (report.name(path), "ids of the test split", [one.id for one in contents["test"]], table["id"].to_pylist()),
            (report.name(path), "labels", [one.label for one in contents["test"]], table["label"].to_pylist()),
            (report.name(path), "rows", test.digest, _about(path)["data_digest"]),
            (f"{EVIDENCE}/{result}", "test_rows", test.digest, record.digests["test_rows"]),
            (f"{EVIDENCE}/{result}", "train_rows", train.digest, record.digests["train_rows"]),
            (f"{EVIDENCE}/{result}", "dataset", dataset_of(test.dataset, train, test), record.dataset),
            (config, "data_digest", train.digest, report.config(record)["data_digest"]),
        ]
        for file, what, one, other in pairs:
            for where, expected, found in value_differences(one, other, what):
                yield Break(link="split", file=file, expected=f"{where} {expected}", found=str(found))
                break
        yield from _samples(report, record, contents["train"])
    yield from _manifests(report)


def _samples(report: Report, record: Record, train: list[Content]) -> Iterator[Break]:
    """Each epoch's digest of samples follows from training split, seed and epoch."""
    path = report.evidence / run_folder(record) / "history.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    training, ids = training_config(record.training), [one.id for one in train]
    samples, _ = hold_out(np.array([one.label for one in train]), training.validation_percent)
    for epoch, row in enumerate(rows):
        expected = epoch_digest(ids, epoch_batches(samples, training, record.seed, epoch))
        if (found := row.get("samples_sha256")) != expected:
            where = f"epoch {epoch + 1}/samples_sha256 {expected}, each training sample once in the sampler's order"
            yield Break(link="split", file=report.name(path), expected=where, found=found or "nothing")
            return


def _about(predictions: Path) -> dict[str, Any]:
    """What predictions say that they are of, without reading them."""
    about: dict[str, Any] = json.loads(pq.read_schema(predictions).metadata[b"about"])
    return about


def _manifests(report: Report) -> Iterator[Break]:
    """Samples, digests and duplicates of train, validation and test, derived anew from their contents."""
    runs, experiments = report.params["runs"].values(), report.params["experiments"]
    used = {(run["dataset"], experiments[run["experiment"]]["training"]["validation_percent"]) for run in runs}
    made = [asdict(split_manifest(d, report.evidence / "data" / "arrow" / d, percent)) for d, percent in sorted(used)]
    found = json.loads((report.evidence / SPLITS).read_text(encoding="utf-8"))
    for where, one, other in value_differences(json.loads(json.dumps(made)), found):
        yield Break(link="split", file=f"{EVIDENCE}/{SPLITS}", expected=f"{where} {one}", found=str(other))


def configuration(report: Report) -> Iterator[Break]:
    """params.yaml, the weights' configuration, the result and the predictions are about one training."""
    wrote = {file.path: file.sha256 for record in report.records for file in record.writes}
    for record in report.held:
        folder = run_folder(record)
        path = report.evidence / folder / "config.json"
        config = report.config(record)
        weights = wrote.get((folder / "model.safetensors").as_posix())
        own = {name: config[name] for name in ("experiment", "seed", "network", "training", "parameters", "platforms")}
        named = {name: getattr(record, name) for name in own}
        result = f"{EVIDENCE}/results/{record.experiment}/{record.seed}.json"
        pairs: list[tuple[str, Any, Any]] = [
            (result, own, named),
            (result, {"identity": config["identity"], "model": weights}, _some(record.digests, "identity", "model")),
            (
                report.name(report.predictions_of(record)),
                {"experiment": record.experiment, "seed": record.seed, "model_sha256": weights},
                _some(_about(report.predictions_of(record)), "experiment", "seed", "model_sha256"),
            ),
        ]
        if record in report.audit.records:
            stated = report.params["experiments"][record.experiment]
            network, training = config["network"], config["training"]
            pairs += [
                (report.name(path), stated[there], _some(used, *stated[there]))
                for there, used in (("model", network), ("training", training))
            ]
        for file, one, other in pairs:
            for where, expected, found in value_differences(one, other):
                yield Break(link="configuration", file=file, expected=f"{where} {expected}", found=str(found))


def _some(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


def scores(report: Report) -> Iterator[Break]:
    """Every count, percentage, interval and protocol of a result follows from its predictions."""
    for record in (*report.audit.records, *report.audit.recorded):
        file = f"{EVIDENCE}/results/{record.experiment}/{record.seed}.json"
        if record in report.held:
            path = report.predictions_of(record)
            history = report.evidence / run_folder(record) / "history.csv"
            derived = scored(read_predictions(path), record.training, history)
            if record.ledger is None:
                del derived["ledger"]
            derived["digests"] = {"predictions": report.sha256(path)}
            origin = f"derived from {report.name(path)}"
        else:
            derived, origin = _from_counts(record), "derived from its counts"
        for part, values in derived.items():
            had = {name: getattr(record, part).get(name) for name in values}
            for where, expected, found in value_differences(values, had, part):
                yield Break(link="predictions", file=file, expected=f"{where} {expected}, {origin}", found=str(found))


def _from_counts(record: Record) -> dict[str, dict[str, Any]]:
    """What the confusion matrix of a result says about its other numbers."""
    confusion = record.test["confusion"]
    counted = {
        "samples": sum(map(sum, confusion)),
        "correct": sum(row[i] for i, row in enumerate(confusion)),
        "class_samples": [sum(row) for row in confusion],
        "class_correct": [row[i] for i, row in enumerate(confusion)],
    }
    own = {field.name: record.test[field.name] for field in fields(TestCounts)}
    return {"test": test_of(TestCounts(**own | counted))}


def verdicts(report: Report) -> Iterator[Break]:
    """audit.json says what judging the results anew says."""
    path = report.folder / "audit.json"
    printed_audit = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        anew = Path(folder) / "audit.json"
        report.audit.write(anew)
        derived = json.loads(anew.read_text(encoding="utf-8"))
    for where, expected, found in value_differences(derived, printed_audit):
        yield Break(link="verdicts", file=report.name(path), expected=f"{where} {expected}", found=str(found))


def page(report: Report) -> Iterator[Break]:
    """The page and its Markdown print the values that were derived."""
    yield from printed.html_breaks(report.folder / "index.html", report.values, report.required)
    statements = {claim.id: claim.statement.replace("|", "\\|") for claim in report.audit.claims}
    yield from printed.markdown_breaks(report.folder / "report.md", report.values, statements)


def handed_out(report: Report) -> Iterator[Break]:
    """Badges, cards and the table have the very bytes that the results give anew."""
    for name, content in handouts(report.audit).items():
        path = report.folder / name
        if not path.is_file() or path.read_bytes() != content:
            found = "other content" if path.is_file() else "no such file"
            yield Break(link="handouts", file=name, expected="what the results say, written anew", found=found)


def value_differences(expected: Any, found: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Places (keys and indices, joined by slashes) where two values of JSON differ, with what stands there."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            yield from value_differences(expected.get(key), found.get(key), f"{where}/{key}".strip("/"))
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            name = one.get("id", index) if isinstance(one, dict) else index
            yield from value_differences(one, other, f"{where}/{name}".strip("/"))
    elif isinstance(expected, list) and isinstance(found, list):
        yield where, f"{len(expected)} items", f"{len(found)}"
    elif not printed.same(expected, found):
        yield where, expected, found
