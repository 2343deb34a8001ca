"""Exports a finished training as the files that evaluation and readers use."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

from models import checkpoint
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, whole, write_whole
from pipeline.protocol.input_rule import Inputs
from pipeline.train.checkpoints import newest_state
from pipeline.train.job import Job
from pipeline.train.state import State


def finished(job: Job) -> State | None:
    """The final state of the training, or None if it has not finished."""
    state = newest_state(job.checkpoint())
    return state if state is not None and state.epoch == job.training.epochs else None


def reached(job: Job) -> bool:
    """Whether the training has done the epochs after which it stops."""
    state = newest_state(job.checkpoint())
    return state is not None and state.epoch >= job.stops_after


def export(job: Job, experiment: str, dataset: str, folder: Path) -> None:
    """Writes model.safetensors, history.csv and config.json of a finished training; their bytes are deterministic.

    config.json is written last and holds the digests of the others, so that evaluation can check them.
    """
    state = finished(job)
    assert state is not None, f"{job.checkpoint()} is not finished"
    platforms, model = platforms_of(job), job.build()
    model.load_state_dict(state.selected or state.averages or state.weights)
    with whole(folder / "model.safetensors") as temporary:
        checkpoint.save_network(model, temporary)
    write_whole(folder / "history.csv", _table(state).encode())
    config = {
        "experiment": experiment,
        "seed": job.seed,
        "dataset": dataset,
        "network": asdict(job.network),
        "training": asdict(job.training),
        "inputs": asdict(Inputs.of(job.train_store().manifest, job.training)),
        "data_digest": job.train_store().digest,
        "identity": job.identity,
        "platforms": platforms,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "sha256": {name: sha256(folder / name) for name in ("model.safetensors", "history.csv")},
    }
    write_whole(folder / "config.json", json.dumps(config, indent=2).encode() + b"\n")


def platforms_of(job: Job) -> list[str]:
    """Descriptions of the processors that computed the training, sorted. Raises InputError."""
    try:
        return sorted(set(job.platforms().read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{job.platforms()}: missing or damaged ({error}); it names the processors that computed the training and "
            "belongs to the checkpoints beside it: copy the whole folder, or remove it and train again"
        ) from None


def _table(state: State) -> str:
    text = io.StringIO()
    rows = [row | {"samples_sha256": used} for row, used in zip(state.history, state.samples, strict=True)]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
