"""`sresnet verify --root CHECKOUT --again`: recomputes shards from raw data, and predictions from weights.

Shards in the checkout are not trusted: they are made again from the raw files, the weights are evaluated on the new
ones, and the claims are judged on the new predictions, whatever processor computed the stated ones. Needs torch, and
about as much time as the stages preprocess and evaluate.
With `--train-again` the trainings are repeated too, and must give identical weights on the same CPU model.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from models.sresnet import SResNet
from pipeline.authors.measure import measure
from pipeline.data.contents import read_contents
from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import fetch
from pipeline.download.source import SOURCE_FILE, read_source
from pipeline.evaluate.evaluate import Evaluator, Task, all_batches
from pipeline.evaluate.metrics import count_predictions
from pipeline.evaluate.operations import Operations
from pipeline.evaluate.predictions import About, Predictions, Seen, read_predictions
from pipeline.evaluate.record import Record, firing_of, test_of
from pipeline.ground.differences import value_differences
from pipeline.ground.files import sha256
from pipeline.ground.params import ClusterParams, DatasetParams
from pipeline.ground.paths import CLAIMS
from pipeline.ground.schema import as_type
from pipeline.judge.audit import judge_all, run_folder
from pipeline.judge.chain import Break
from pipeline.judge.matching import name_of
from pipeline.judge.measured import MEASURED, Measured, needs_measuring
from pipeline.preprocess.preprocess import preprocess
from pipeline.protocol.hardware import computed_by, describe, note_processor
from pipeline.protocol.reduce import Alone
from pipeline.report.bundle import EVIDENCE
from pipeline.train.export import export
from pipeline.train.identity import run_identity
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.verify.configurations import network_config, training_config
from pipeline.verify.initial import other_start, start_is_known
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.strayed import close_rates, close_work, other_answers, stray_samples
from pipeline.verify.verify import Recomputation

LOCAL = ClusterParams(
    address="local",
    workers="auto",
    cpus_per_worker="threads",
    gpus_per_worker=0,
    storage="runs",
    checkpoint_seconds=60,
    recompute="nothing",
)
CPU = torch.device("cpu")


def compute_again(report: ReportFolder) -> Iterator[Break]:
    """Places where recomputed values differ from the report. Raises InputError."""
    yield from _recomputed(report, train_too=False)


def train_again(report: ReportFolder) -> Iterator[Break]:
    """As compute_again, and repeats every training that a processor like this one computed. Raises InputError."""
    yield from _recomputed(report, train_too=True)


def _recomputed(report: ReportFolder, *, train_too: bool) -> Iterator[Break]:
    assert report.root is not None, "asked with a checkout"
    computed = []
    with tempfile.TemporaryDirectory(prefix="again-") as folder:
        for dataset in sorted({str(record.dataset["name"]) for record in report.audit.records}):
            yield from raw_data(report, dataset, Path(folder) / "raw")
            yield from shards(report, dataset, Path(folder))
        for record in report.audit.records:
            arrow = Path(folder) / "arrow" / str(record.dataset["name"])
            worker = evaluator(report, record, arrow)
            seen = all_test_batches(worker)
            yield from own_start(report, record, worker.model)
            yield from predictions(report, record, worker.model, seen)
            computed.append(record_of(record, worker, seen))
            if train_too and record.platforms == [own_processor(record)]:
                yield from trained_weights(report, record, arrow, Path(folder))
    yield from verdicts(report, computed)


def raw_data(report: ReportFolder, dataset: str, work: Path) -> Iterator[Break]:
    """Every raw file has the digest in SOURCE.json; an embedded dataset, made again, has the same SOURCE.json."""
    assert report.root is not None, "asked with a checkout"
    raw, params = report.root / "data" / "raw" / dataset, _params(report, dataset)
    source = read_source(raw)
    if CATALOG[source.catalog].origin == "embedded":
        (work / dataset).mkdir(parents=True)
        made, _ = fetch(dataset, params.download, work / dataset)
        for where, expected, found in value_differences(asdict(made), asdict(source)):
            yield Break(link="raw data", file=str(raw / SOURCE_FILE), expected=f"{where} {expected}", found=str(found))
    for name, digest in source.files.items():
        if (found_sha := sha256(raw / name)) != digest:
            yield Break(link="raw data", file=str(raw / name), expected=f"SHA-256 {digest}", found=found_sha)


def _params(report: ReportFolder, dataset: str) -> DatasetParams:
    return as_type(DatasetParams, report.params["datasets"][dataset])


def shards(report: ReportFolder, dataset: str, folder: Path) -> Iterator[Break]:
    """Both splits, made again from the raw files, equal the report's manifests and contents."""
    assert report.root is not None, "asked with a checkout"
    arrow = folder / "arrow" / dataset
    raw = report.root / "data" / "raw" / dataset
    preprocess(dataset, raw, _params(report, dataset).preprocess, LOCAL, arrow, folder / "work")
    stated = report.evidence / "data" / "arrow" / dataset
    pairs = [
        (f"{split}.json", *(_json(there / f"{split}.json") for there in (arrow, stated))) for split in ("train", "test")
    ]
    pairs.append(("contents.arrow", *(_contents(there) for there in (arrow, stated))))
    for name, made, found in pairs:
        for where, expected, other in value_differences(made, found):
            yield Break(
                link="data again",
                file=report.name(stated / name),
                expected=f"{where} {expected} as the raw files give it",
                found=str(other),
            )
            break


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _contents(folder: Path) -> dict[str, list[list[Any]]]:
    return {split: [list(content) for content in contents] for split, contents in read_contents(folder).items()}


def other_trainings(report: ReportFolder) -> Iterator[str]:
    """Trainings whose identity differs from the one that this code and torch would give them. This is only a note,
    because results of an older commit are valid.
    """
    for record in report.audit.records:
        rows = ("train_rows", "test_rows") if record.training["test_each_epoch"] else ("train_rows",)
        digests = tuple(record.digests[name] for name in rows)
        network, training = network_config(record.network), training_config(record.training)
        name = run_identity(network, training, record.seed, digests)
        if name != record.digests["identity"]:
            run = f"{record.experiment}-{record.seed}"
            yield f"{run}: trained by other code or torch than here: identity {record.digests['identity']}, here {name}"


def evaluator(report: ReportFolder, record: Record, arrow: Path) -> Evaluator:
    """An evaluator of a result's weights on the recomputed test split."""
    assert report.root is not None, "asked with a checkout"
    model = report.root / run_folder(record) / "model.safetensors"
    task = Task(model=model, data=arrow, training=training_config(record.training), seed=record.seed)
    return Evaluator(task, "cpu")


def all_test_batches(worker: Evaluator) -> Seen:
    """Results of the network on the whole test split."""
    batches = range(len(worker.task.batches(len(worker.store))))
    return all_batches([worker.see(index) for index in batches])


def predictions(report: ReportFolder, record: Record, model: SResNet, seen: Seen) -> Iterator[Break]:
    """Recomputed predictions and counts equal the stated ones: bit for bit, or closely if another processor made
    them."""
    for where, expected, found in value_differences(record.network, asdict(model.config)):
        file = str(run_folder(record) / "model.safetensors")
        yield Break(link="weights", file=file, expected=f"{where} {expected}", found=str(found))
    path = report.predictions_of(record)
    written = read_predictions(path)
    stated = written.voltage
    if seen.voltage.shape != stated.shape:
        yield Break(
            link="predictions again",
            file=report.name(path),
            expected=f"voltages of shape {seen.voltage.shape}",
            found=str(stated.shape),
        )
        return
    if others := other_answers(seen.voltage, written):
        report.strayed.append(f"{record.experiment}-{record.seed}: {others}")
    exact = (record.evaluated_by or record.platforms) == [own_processor(record)]
    if off := stray_samples(seen.voltage, stated, exact=exact):
        yield Break(
            link="predictions again",
            file=report.name(path),
            expected="what the weights give on the test split" + ("" if exact else ", on another processor nearly"),
            found=f"other voltages for {off} of {len(stated)} samples",
        )
    else:
        yield from _counted(record, seen, exact=exact)


def own_start(report: ReportFolder, record: Record, model: SResNet) -> Iterator[Break]:
    """The weights do not correlate with the initial ones of another seed. If they do not with their own seed's either,
    which is normal after a long training, this is a note."""
    other = other_start(model, record.seed, {one.seed for one in report.audit.records})
    file = str(run_folder(record) / "model.safetensors")
    if other is not None:
        expected = f"weights that began as those of seed {record.seed}"
        yield Break(link="seeds", file=file, expected=expected, found=f"those of seed {other}, trained")
    elif not start_is_known(model, record.seed):
        run = f"{record.experiment}-{record.seed}"
        report.strayed.append(f"{run}: its weights do not show that they began as those of seed {record.seed}")


def record_of(record: Record, worker: Evaluator, seen: Seen) -> Record:
    """A result with its stated values replaced by recomputed ones."""
    store = worker.store
    about = About(
        experiment=record.experiment,
        seed=record.seed,
        classes=list(store.classes),
        model_sha256=record.digests["model"],
        data_digest=store.digest,
    )
    made = Predictions(about=about, ids=store.ids, labels=store.labels, voltage=seen.voltage)
    trained = sum(parameter.numel() for parameter in worker.model.parameters())
    return replace(record, test=test_of(count_predictions(made)), firing=firing_of(seen), parameters=trained)


def verdicts(report: ReportFolder, computed: list[Record]) -> Iterator[Break]:
    """The claims, judged on recomputed results and measurements, have the stated verdicts."""
    assert report.root is not None, "asked with a checkout"
    audit, measured = report.audit, None
    if needs_measuring(audit.claims):
        platform = computed_by(CPU, "float32")
        measured = Measured(platform=platform, claims=measure(audit.claims, CLAIMS.parent / "golden"))
        yield from _measured(measured, audit.measured)
    again = judge_all(audit.claims, computed, audit.recorded, audit.unchecked, measured)
    for ours, theirs in zip(again, audit.judgements, strict=True):
        if ours.verdict != theirs.verdict:
            expected = f"{ours.claim} {ours.verdict} as computed again ({ours.reason})"
            yield Break(link="verdict again", file="audit.json", expected=expected, found=theirs.verdict)


def _measured(made: Measured, stated: Measured | None) -> Iterator[Break]:
    """On a processor like the stated one, every measured number is the same."""
    if stated is None or stated.platform != made.platform:
        return
    for where, expected, found in value_differences(made.claims, stated.claims):
        file = f"{EVIDENCE}/{MEASURED.as_posix()}"
        yield Break(link="measurements again", file=file, expected=f"{where} {expected}", found=str(found))


def trained_weights(report: ReportFolder, record: Record, arrow: Path, folder: Path) -> Iterator[Break]:
    """The training, repeated on the recomputed shards, gives identical weights and history."""
    assert report.root is not None, "asked with a checkout"
    job = Job(
        name=f"{record.experiment}-{record.seed}",
        network=network_config(record.network),
        training=training_config(record.training),
        seed=record.seed,
        data=arrow,
        runs=folder / "runs",
        checkpoint_seconds=LOCAL.checkpoint_seconds,
        recompute=LOCAL.recompute,
    )
    note_processor(job.platforms(), CPU, job.network.precision)
    train(job, Alone(), CPU, lambda text: None)
    made = folder / run_folder(record)
    export(job, record.experiment, str(record.dataset["name"]), made)
    for name, found in (
        ("model.safetensors", sha256(report.root / run_folder(record) / "model.safetensors")),
        ("history.csv", report.sha256(report.evidence / run_folder(record) / "history.csv")),
    ):
        if (expected := sha256(made / name)) != found:
            expected = f"SHA-256 {expected} as training again gives it"
            yield Break(link="training again", file=str(run_folder(record) / name), expected=expected, found=found)


def own_processor(record: Record) -> str:
    """Description of the processor that recomputes a recorded network."""
    return computed_by(CPU, record.network["precision"])


def _counted(record: Record, seen: Seen, *, exact: bool) -> Iterator[Break]:
    """Recomputed firing rates and operations equal the stated ones; the report's folder alone cannot verify these."""
    firing, rates = firing_of(seen), record.firing
    work, operations = Operations(steps=seen.voltage.shape[1], layers=seen.work).as_json(), record.operations
    if not exact:
        rates = close_rates(firing, rates)
    if not exact and operations is not None:
        work, operations = close_work(work, operations)
    pairs = [("firing", firing, rates)] + ([] if operations is None else [("operations", work, operations)])
    file = f"{EVIDENCE}/results/{name_of(record)}"
    for part, made, stated in pairs:
        for where, expected, found in value_differences(json.loads(json.dumps(made)), stated, part):
            yield Break(link="predictions again", file=file, expected=f"{where} {expected}", found=str(found))
            break


def not_trained_again(report: ReportFolder) -> Iterator[str]:
    """The notes of other_trainings, and trainings that were not repeated, because another CPU model computed
    them, and rounding differs between processors."""
    yield from other_trainings(report)
    for record in report.audit.records:
        if record.platforms != [own_processor(record)]:
            run = f"{record.experiment}-{record.seed}"
            yield f"{run}: not trained again: {' and '.join(record.platforms)} trained it, but this is {describe(CPU)}"


AGAIN = Recomputation(check=compute_again, notes=other_trainings)
TRAIN_AGAIN = Recomputation(check=train_again, notes=not_trained_again)
