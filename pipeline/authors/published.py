"""Evaluates the authors' published weights on the preprocessed test split, without training.

A checkpoint is one network, whose epoch was selected on this test set. Its accuracy shows whether the printed number is
that of these weights, and nothing about other seeds.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models import checkpoint
from models.numbers import unsound
from models.sresnet import SResNet
from pipeline.authors.checkpoint import read_authors
from pipeline.data.store import Store
from pipeline.evaluate.answers import answers_of
from pipeline.evaluate.evaluate import Task, evaluate, evaluate_on
from pipeline.evaluate.ledger import make_ledger
from pipeline.evaluate.metrics import count_predictions
from pipeline.evaluate.predictions import About, Predictions
from pipeline.evaluate.record import test_of
from pipeline.evaluate.trained import check_fits
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, whole_folder, write_whole
from pipeline.ground.params import ClusterParams
from pipeline.judge.claims import AccuracyClaim, read_claims
from pipeline.protocol.config import TrainingConfig

PROTOCOL = TrainingConfig(
    epochs=70,
    batch_size=21,  # their train.py tests in batches of twice this size
    micro_batches=1,
    threads=1,
    learning_rate=0.026844,
    schedule="steps",
    warmup_epochs=0,
    momentum=0.9,
    nesterov=False,
    weight_decay=1e-4,
    decay_after=(70, 80, 90),
    drop_last=True,
    loss="cross-entropy",
    tet_lambda=0.0,
    label_smoothing=0.0,
    distillation=0.0,
    augmentation="none",
    pixel_mean=(0.4914, 0.4822, 0.4465),
    pixel_std=(0.2023, 0.1994, 0.2010),
    average_decay=0.0,
    statistics="running",
    selection="last",
    validation_percent=0,
    test_each_epoch=False,
)
"""The authors' train.py, as far as an evaluation needs it; event frames are not standardized."""

_CAUTION = "one network, its epoch chosen on this test set by the authors' train.py: it says nothing of other seeds"


@dataclass(frozen=True, kw_only=True)
class Audited:
    """The evaluation of a checkpoint of the authors."""

    checkpoint: dict[str, Any]
    """File name, SHA-256, and the leak used."""
    network: dict[str, Any]
    parameters: int
    dataset: dict[str, Any]
    test: dict[str, Any]
    """Counts of metrics.TestCounts, with percentages and Wilson's 95 % interval."""
    protocols: dict[str, float | None]
    """Accuracy (percent) by each scoring protocol, as in a record."""
    claims: list[dict[str, str]]
    """Printed accuracies on this dataset, and how this one compares with each."""
    digests: dict[str, str]
    evaluated_by: list[str]
    """Processors that computed it, with their precision."""


def audit_checkpoint(
    file: Path, data: Path, dataset: str, leak: float, cluster: ClusterParams, results: Path
) -> tuple[Audited, Path]:
    """Evaluates `file` on the test split in the folder `data`; returns the results and the folder they are written to.

    The folder gets record.json, predictions.parquet and model.safetensors. Raises InputError.
    """
    store = Store(data, "test")
    model = fitting(file, store, leak)
    folder = results / f"{dataset}-{sha256(file)[:12]}"
    with whole_folder(folder) as temporary:
        audited = _write(file, store, model, leak, cluster, temporary)
    return audited, folder


def _write(file: Path, store: Store, model: SResNet, leak: float, cluster: ClusterParams, folder: Path) -> Audited:
    """Evaluates the network and writes the results into the folder."""
    weights = folder / "model.safetensors"
    checkpoint.save_network(model, weights)
    training = replace(PROTOCOL, pixel_mean=(), pixel_std=()) if model.frames else PROTOCOL
    seen = evaluate(Task(model=weights, data=store.folder, training=training, seed=0), evaluate_on(cluster), file.name)
    about = About(
        experiment=f"checkpoint {file.name}",
        seed=0,
        classes=list(store.classes),
        model_sha256=sha256(weights),
        data_digest=store.digest,
    )
    predictions = Predictions(about=about, ids=store.ids, labels=store.labels, voltage=seen.voltage)
    predictions.write(folder / "predictions.parquet")
    audited = _audited(file, leak, model, store, predictions, folder, sorted(seen.computed_by))
    write_whole(folder / "record.json", json.dumps(asdict(audited), indent=2).encode() + b"\n")
    return audited


def fitting(file: Path, store: Store, leak: float) -> SResNet:
    """The network in the file; ten outputs per class mean boosting. Raises InputError."""
    if not file.is_file():
        raise InputError(f"{file}: not found; expected a checkpoint of the authors, for example a .pth.tar")
    try:
        model = read_authors(file, leak=leak, boosting=False)
        if model.classes == 10 * len(store.classes):
            model = read_authors(file, leak=leak, boosting=True)
    except ValueError as error:
        raise InputError(f"{error}; expected what the authors' train.py writes, and a leak in (0, 1]") from None
    check_fits(file, model, store)
    for name, value in model.float().state_dict().items():
        if reason := unsound(name, value):  # a float64 value can overflow float32
            raise InputError(f"{file}: {name} as float32: {reason}")
    return model


def _audited(
    file: Path,
    leak: float,
    model: SResNet,
    store: Store,
    predictions: Predictions,
    folder: Path,
    evaluated_by: list[str],
) -> Audited:
    test, manifest = test_of(count_predictions(predictions)), store.manifest
    protocols = make_ledger(answers_of(predictions), PROTOCOL.batch_size, None).protocols()
    return Audited(
        checkpoint={"file": file.name, "sha256": sha256(file), "leak": leak},
        network=asdict(model.config),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        dataset={
            "title": store.title,
            "published": manifest.published,
            "note": manifest.note,
            "licence": manifest.licence,
            "citation": manifest.citation,
            "split_rule": manifest.split_rule,
            "framing_rule": manifest.framing_rule,
            "test_samples": len(store),
            "test_rows": store.digest,
        },
        test=test,
        protocols=protocols,
        claims=[
            {
                "claim": claim.id,
                "printed": claim.printed,
                "says": says(claim.printed, protocols, test["top1_low"], test["top1_high"]),
            }
            for claim in printed(store.title)
        ],
        digests={
            "model": sha256(folder / "model.safetensors"),
            "predictions": sha256(folder / "predictions.parquet"),
        },
        evaluated_by=evaluated_by,
    )


def printed(title: str) -> list[AccuracyClaim]:
    """The paper's accuracies on the dataset of that title."""
    return [
        claim
        for claim in read_claims(paths.CLAIMS).claims
        if isinstance(claim, AccuracyClaim) and claim.origin == "paper" and claim.configuration.dataset.title == title
    ]


def says(text: str, protocols: dict[str, float | None], low: float, high: float) -> str:
    """How these weights compare with a printed percentage: equal, within the 95 % interval, or outside it."""
    number = text.removesuffix(" %")
    digits = len(number.partition(".")[2])
    same = [name for name, value in protocols.items() if value is not None and f"{value:.{digits}f}" == number]
    if same:
        return f"the printed number, counted as {' and as '.join(same)}"
    if low <= float(number) <= high:
        return "not the printed number, but that lies within the 95 % interval for the choice of test samples"
    return f"the printed number lies {'above' if float(number) > high else 'below'} the 95 % interval"


def audit_text(audited: Audited, folder: Path) -> str:
    """The results as text."""
    network, test, title = audited.network, audited.test, audited.dataset["title"]
    batches = audited.protocols["full_batches_only"]
    network_text = (
        f"{audited.checkpoint['file']}: S-ResNet{6 * network['blocks'] + 2}, {network['width']} filters, "
        f"T = {network['time_steps']}, {network['readout']}, {audited.parameters:,} parameters; "
        f"leak {audited.checkpoint['leak']} (given, not in the file)"
    )
    ours = (
        f"every test sample of {title}: {test['correct']} of {test['samples']} correct, "
        f"{test['top1_percent']:.2f} % [{test['top1_low']:.2f}, {test['top1_high']:.2f}]"
    )
    theirs = f"the authors' protocol, mean over full batches of {2 * PROTOCOL.batch_size}, the rest dropped: "
    lines = [network_text, ours, theirs + ("no full batch" if batches is None else f"{batches:.2f} %")]
    lines += [f"{claim['claim']}, printed {claim['printed']}: {claim['says']}" for claim in audited.claims]
    if not audited.claims:
        lines.append(f"the claims have no printed accuracy on {title}")
    if not audited.dataset["published"]:
        lines.append(f"{title} is not the published data ({audited.dataset['note'] or 'no note'})")
    return "\n".join([*lines, _CAUTION, f"written: {folder}"])
