"""The checks of `sresnet verify`, in the order of the chain; each yields the places where the report fails it."""

import stat
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.contents import read_contents
from pipeline.data.store import Content, Manifest
from pipeline.evaluate.answers import answers_of, read_answers
from pipeline.evaluate.predictions import read_about, read_predictions
from pipeline.evaluate.record import Record, about_answers, dataset_of, scored
from pipeline.ground import paths
from pipeline.ground.differences import value_differences
from pipeline.ground.errors import InputError
from pipeline.ground.files import MOST_LEVELS, TOO_DEEP, sha256
from pipeline.ground.stage_record import RECORDS, path_of
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge import chain
from pipeline.judge.ablations import claim_files
from pipeline.judge.audit import run_folder
from pipeline.judge.chain import REPORT_STAGE, Break
from pipeline.judge.claims import read_claims
from pipeline.judge.matching import name_of
from pipeline.judge.measured import AGREEMENT_STAGE, MEASURED
from pipeline.protocol.input_rule import Inputs
from pipeline.protocol.sampler import epoch_batches, hold_out
from pipeline.report import attestation, crate
from pipeline.report.bundle import EVIDENCE, PARAMETERS, path_in_report
from pipeline.train.used import epoch_digest
from pipeline.verify.configurations import training_config
from pipeline.verify.history import read_history
from pipeline.verify.report_folder import ReportFolder, strict_manifest

_PLAIN = "a plain file (`cp -RL` copies a folder without links)"
_WIDTH = 160
"""Number of characters shown of a line in which two files differ."""


def plain_files(report: ReportFolder) -> Iterator[Break]:
    """The folder contains only regular files and folders: no link points outside it, no pipe blocks reading."""
    waiting = [report.folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if stat.S_ISDIR(mode := path.lstat().st_mode):
                if len(path.relative_to(report.folder).parts) > MOST_LEVELS:
                    raise InputError(f"{path}: {TOO_DEEP}")
                waiting.append(path)
            elif not stat.S_ISREG(mode):
                kind = "a link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
                yield Break(link="files", file=report.name(path), expected=_PLAIN, found=kind)


def listed_files(report: ReportFolder) -> Iterator[Break]:
    """Every file has the digest that ro-crate-metadata.json lists, and there are no other files."""
    there = {report.name(path): path for path in sorted(report.folder.rglob("*")) if path.is_file()}
    for file in report.listed.values():
        expected = f"SHA-256 {file.sha256} as {attestation.METADATA} lists it"
        if file.path not in there:
            yield Break(link="files", file=file.path, expected=expected, found="no such file")
        elif (found := report.sha256(there[file.path])) != file.sha256:
            yield Break(link="files", file=file.path, expected=expected, found=found)
    for name in there:
        if name not in report.listed and not crate.is_about(Path(name)):
            expected = f"only files that {attestation.METADATA} lists"
            yield Break(link="files", file=name, expected=expected, found="this one")


def rendering(report: ReportFolder) -> Iterator[Break]:
    """Page, verdicts, tables, badges, cards, statements and file list equal, byte for byte, those rendered from the
    evidence; apart from them and the evidence, the folder contains only signatures.
    """
    found = [*_unknown_files(report), *_other_bytes(report)]
    if found and (changed := report.other_makers()):
        expected = "the code and packages that verify; a report of another commit is verified by that commit"
        named = f"{', '.join(changed[:3])}{' and others' if len(changed) > 3 else ''}"
        yield Break(link="page", file=f"{EVIDENCE}/{path_of(REPORT_STAGE)}", expected=expected, found=named)
    yield from found


def _unknown_files(report: ReportFolder) -> Iterator[Break]:
    known = {*report.rendered, *(path_in_report(file.path) for file in report.sources)}
    known |= attestation.signature_names([*report.stages, attestation.CRATE]) if report.signer else set()
    for path in sorted(report.folder.rglob("*")):
        if path.is_file() and (name := report.name(path)) not in known:
            yield Break(link="page", file=name, expected="only files that follow from the evidence", found="this one")


def _other_bytes(report: ReportFolder) -> Iterator[Break]:
    for name, content in report.rendered.items():
        path = report.folder / name
        found = path.read_bytes() if path.is_file() else None
        if found != content:
            yield Break(link="page", file=name, **_first_difference(content, found))


def _first_difference(expected: bytes, found: bytes | None) -> dict[str, str]:
    """The first line in which a file differs from the expected one."""
    if found is None:
        return {"expected": "this file, as the evidence gives it", "found": "no such file"}
    texts = (text.decode(errors="replace").split("\n") for text in (expected, found))
    for number, (one, other) in enumerate(zip_longest(*texts, fillvalue=""), 1):
        if one != other:
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
            start = max(0, same - _WIDTH // 2)
            cut = slice(start, start + _WIDTH)
            return {"expected": f"line {number} {one[cut]!r}, as the evidence gives it", "found": repr(other[cut])}
    return {"expected": "the text that the evidence gives", "found": "bytes that are no text"}


def signatures(report: ReportFolder) -> Iterator[Break]:
    """If the report is signed, or a key is pinned, every statement has a valid signature by that one key."""
    if report.signer is None:
        return
    if not attestation.is_signed(report.folder):
        expected = f"signatures of key {report.signer.keyid}"
        yield Break(link="signatures", file=attestation.STATEMENTS.as_posix(), expected=expected, found="none")
        return
    from pipeline.report.signing import signature_breaks

    yield from signature_breaks(report.folder, report.signer)


def links(report: ReportFolder) -> Iterator[Break]:
    """Every stage has a record and read what an earlier one wrote; copies in the folder have the recorded digests."""
    yield from chain.breaks(report.evidence / RECORDS, report.stages)
    for record in report.records:
        for file in record.writes:
            path = report.folder / path_in_report(file.path)
            if path.is_file() and report.sha256(path) != file.sha256:
                expected = f"SHA-256 {file.sha256} as {record.stage} wrote it"
                yield Break(link="chain", file=report.name(path), expected=expected, found=report.sha256(path))


def measurements(report: ReportFolder) -> Iterator[Break]:
    """The stage agreement read this code's recorded numbers, and what it wrote is in the folder."""
    golden = {f"paper/golden/{path.name}": sha256(path) for path in (paths.CLAIMS.parent / "golden").iterdir()}
    for record in report.records:
        if record.stage != AGREEMENT_STAGE:
            continue
        written, read = {file.path for file in record.writes}, {file.path: file.sha256 for file in record.reads}
        path = report.evidence / MEASURED
        if MEASURED.as_posix() not in written or not path.is_file():
            expected = "the measurements that the stage agreement wrote"
            yield Break(link="measurements", file=report.name(path), expected=expected, found="none")
        for name, digest in golden.items():
            if read.get(name) != digest:
                expected = f"SHA-256 {digest} read by the stage agreement"
                yield Break(link="measurements", file=name, expected=expected, found=str(read.get(name)))


def files_in_checkout(report: ReportFolder) -> Iterator[Break]:
    """Files in the checkout given by --root have the recorded digests: data and weights, and files that the report
    only names."""
    if report.root is None:
        return
    made = {name: digest for name, digest in report.written().items() if name.startswith(("data/", "artifacts/"))}
    for name, digest in sorted((made | report.only_named()).items()):
        path = report.root / name
        found = sha256(path) if path.is_file() else "no such file"
        if found != digest:
            yield Break(link="data and weights", file=str(path), expected=f"SHA-256 {digest}", found=found)


def split(report: ReportFolder) -> Iterator[Break]:
    """The predictions have exactly the samples and labels of the test split."""
    contents_of = lru_cache(maxsize=1)(read_contents)  # consecutive runs often share a dataset
    for record in report.audit.records:
        path = report.predictions_of(record)
        folder = report.evidence / "data" / "arrow" / str(record.dataset["name"])
        read, contents = read_predictions(path), contents_of(folder)
        train, test = (strict_manifest(folder / f"{part}.json") for part in ("train", "test"))
        config = f"{EVIDENCE}/{run_folder(record)}/config.json"
        result = f"results/{name_of(record)}"
        pairs = [
            *_counted_rows(report, folder, contents, {"train": train, "test": test}),
            (report.name(path), "ids of the test split", [one.id for one in contents["test"]], read.ids),
            (report.name(path), "labels", [one.label for one in contents["test"]], read.labels.tolist()),
            (report.name(path), "rows", test.digest, read.about.data_digest),
            (report.name(path), "classes", test.classes, read.about.classes),
            (f"{EVIDENCE}/{result}", "test_rows", test.digest, record.digests["test_rows"]),
            (f"{EVIDENCE}/{result}", "train_rows", train.digest, record.digests["train_rows"]),
            (f"{EVIDENCE}/{result}", "dataset", dataset_of(test.dataset, train, test), record.dataset),
            (config, "data_digest", train.digest, report.config(record)["data_digest"]),
            (config, "inputs", _inputs(train, record, report.evidence / result), report.config(record)["inputs"]),
        ]
        for file, what, one, other in pairs:
            for where, expected, found in value_differences(one, other, what):
                yield Break(link="split", file=file, expected=f"{where} {expected}", found=str(found))
                break
        yield from _samples(report, record, contents["train"])


def _inputs(train: Manifest, record: Record, file: Path) -> dict[str, Any]:
    """Raises InputError, with the record's file, if the training's pixel values do not fit the split's channels."""
    try:
        return asdict(Inputs.of(train, training_config(record.training)))
    except ValueError as error:
        raise InputError(f"{file}: training: {error}") from None


def _counted_rows(
    report: ReportFolder, folder: Path, contents: dict[str, list[Content]], stated: dict[str, Manifest]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Pairs to compare: samples per class counted in the contents of the splits, and stated in the manifests."""
    for split, manifest in stated.items():
        labels = [content.label for content in contents[split]]
        counted = [labels.count(label) for label in range(len(manifest.classes))]
        file = report.name(folder / f"{split}.json")
        yield file, "rows", len(labels), manifest.rows
        yield file, "rows_per_class", counted, manifest.rows_per_class


def _samples(report: ReportFolder, record: Record, train: list[Content]) -> Iterator[Break]:
    """Each epoch's digest of samples is the one derived from training split, seed and epoch."""
    path = report.evidence / run_folder(record) / "history.csv"
    rows = read_history(path)
    training, ids = training_config(record.training), [one.id for one in train]
    samples, _ = hold_out(np.array([one.label for one in train]), training.validation_percent)
    for epoch, row in enumerate(rows):
        expected = epoch_digest(ids, epoch_batches(samples, training, record.seed, epoch))
        if (found := row["samples_sha256"]) != expected:
            where = f"epoch {epoch + 1}/samples_sha256 {expected}, each training sample once in the sampler's order"
            yield Break(link="split", file=report.name(path), expected=where, found=found)
            return


def configuration(report: ReportFolder) -> Iterator[Break]:
    """params.yaml, the weights' configuration, the result and the predictions agree on the training."""
    wrote = {file.path: file.sha256 for record in report.records for file in record.writes}
    for record in report.audit.records:
        folder = run_folder(record)
        path = report.evidence / folder / "config.json"
        config = report.config(record)
        weights = wrote.get((folder / "model.safetensors").as_posix())
        own = {name: config[name] for name in ("experiment", "seed", "network", "training", "parameters", "platforms")}
        named = {name: getattr(record, name) for name in own}
        result = f"{EVIDENCE}/results/{name_of(record)}"
        pairs: list[tuple[str, Any, Any]] = [
            (result, own, named),
            (result, {"identity": config["identity"], "model": weights}, _some(record.digests, "identity", "model")),
            (
                report.name(report.predictions_of(record)),
                {"experiment": record.experiment, "seed": record.seed, "model_sha256": weights},
                _some(vars(read_about(report.predictions_of(record))), "experiment", "seed", "model_sha256"),
            ),
        ]
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


def claims(report: ReportFolder) -> Iterator[Break]:
    """The judged claims, with the deviations and the list of unchecked points, are those of this repository."""
    path = report.evidence / "paper" / "claims.yaml"
    here, there = ({file.name: file.read_bytes() for file in claim_files(one)} for one in (paths.CLAIMS, path))
    differ = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    own, judged = (read_claims(one).model_dump(mode="json") if differ else {} for one in (paths.CLAIMS, path))
    files = " and ".join(report.name(path.with_name(name)) for name in differ)
    for where, ours, theirs in value_differences(own, judged):
        expected = f"{where} {ours} as in {' and '.join(str(paths.CLAIMS.with_name(name)) for name in differ)}"
        yield Break(link="claims", file=files, expected=expected, found=str(theirs))
    citation = report.evidence / "CITATION.cff"
    if citation.read_bytes() != paths.CITATION.read_bytes():
        expected = f"the bytes of {paths.CITATION}"
        yield Break(link="claims", file=report.name(citation), expected=expected, found="others")


def checkout(report: ReportFolder) -> Iterator[Break]:
    """If the report is this checkout's own, its evidence equals the files that are in the checkout now."""
    if report.folder.resolve() != paths.REPORT.resolve():
        return
    if differ := [*_other_sources(report), *_other_results(report), *_other_params(report)]:
        more = f" and {len(differ) - 1} more file(s) or value(s)" if len(differ) > 1 else ""
        expected = f"{differ[0]}{more} as in the checkout; `dvc repro report` updates the report"
        yield Break(link="checkout", file=report.folder.name, expected=expected, found="others")


def _other_sources(report: ReportFolder) -> Iterator[str]:
    """Evidence files that differ from those in the checkout; files that were not pulled are skipped."""
    for file in report.sources:
        path = paths.ROOT / file.path
        if file.path != "params.yaml" and path.is_file() and sha256(path) != file.sha256:
            yield file.path


def _other_results(report: ReportFolder) -> list[str]:
    """Results that are only in the checkout, or only in the report."""
    there, here = (
        {path.relative_to(root).as_posix() for path in (root / "results").glob("*/*.json") if path.stem.isdecimal()}
        for root in (report.evidence, paths.ROOT)
    )
    return sorted(here ^ there)


def _other_params(report: ReportFolder) -> Iterator[str]:
    params = read_yaml(paths.PARAMS)
    stated = {part: params.get(part) for part in PARAMETERS}
    yield from (f"params.yaml: {where}" for where, _, _ in value_differences(stated, report.params))


def scores(report: ReportFolder) -> Iterator[Break]:
    """Every count, percentage, interval and protocol of a result equals the one derived from its predictions."""
    for record in report.audit.records:
        path = report.predictions_of(record)
        derived = scored(read_predictions(path), record.training, report.history_of(record))
        derived["digests"] = record.digests | {"predictions": report.sha256(path)}
        file = f"{EVIDENCE}/results/{name_of(record)}"
        for part, values in derived.items():
            for where, one, other in value_differences(values, getattr(record, part), part):
                expected = f"{where} {one}, derived from {report.name(path)}"
                yield Break(link="predictions", file=file, expected=expected, found=str(other))


def committed_answers(report: ReportFolder) -> Iterator[Break]:
    """The answers beside a result of this profile equal those derived from its predictions."""
    for record in report.audit.records:
        about, answers = read_answers(report.answers_of(record))
        made = answers_of(read_predictions(report.predictions_of(record)))
        stated = asdict(about) | answers.columns()
        for where, one, other in value_differences(asdict(about_answers(record)) | made.columns(), stated):
            expected = f"{where} {one}, derived from {report.name(report.predictions_of(record))}"
            yield Break(
                link="answers", file=report.name(report.answers_of(record)), expected=expected, found=str(other)
            )
            break


def samples_of_rows(report: ReportFolder) -> Iterator[Break]:
    """Results that state the same digest of test rows have the same samples with the same labels in their answers.

    The check `split` compares results of this profile with the contents of their test split. So this check compares
    recorded results of other profiles on the same rows with that split too. The contents of other rows are not in the
    folder: recorded results on these are only compared with each other.
    """
    known: dict[str, Record] = {}
    for record in report.audit.held:
        first = known.setdefault(record.digests["test_rows"], record)
        if first is record or _order(report, first) == _order(report, record):
            continue
        for where, one, other in value_differences(_labels(report, first), _labels(report, record), "labels"):
            expected = f"{where} {one} as in {name_of(first)}, whose test rows have the same digest"
            yield Break(link="split", file=report.name(report.answers_of(record)), expected=expected, found=str(other))
            break


def _order(report: ReportFolder, record: Record) -> str:
    """Digest of a result's samples and labels; those of other profiles were read when they were scored."""
    known = report.audit.hits.get(name_of(record))
    return (known or read_answers(report.answers_of(record))[1].hits_in_order()).order


def _labels(report: ReportFolder, record: Record) -> dict[str, int]:
    _, answers = read_answers(report.answers_of(record))
    return dict(zip(answers.ids, answers.labels.tolist(), strict=True))
