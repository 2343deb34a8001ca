"""A training with data and checkpoints in a bucket: its worker dies, and another node resumes with the same bits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.cluster import staging
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from pipeline.protocol.hardware import describe, note_processor
from pipeline.protocol.reduce import Alone
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.placement import Placement, already_finished, publish_job
from tests.cluster.s3 import bucket, serving
from tests.train.tiny import NETWORK, ONE, TRAINING, tiny_job

CPU = torch.device("cpu")


class DiedError(Exception):
    """What a test does to a worker."""


def die_at(epoch: str) -> Callable[[object], None]:
    def say(told: object) -> None:
        if epoch in str(told):
            raise DiedError

    return say


def weights(job: Job) -> bytes:
    export(job, "tiny", "tiny", job.runs / "exported")
    return (job.runs / "exported" / "model.safetensors").read_bytes()


def far(storage: str) -> ClusterParams:
    return ONE.model_copy(update={"address": "10.0.0.1:6379", "storage": storage})


def work_on(
    disk: Path, placement: Placement, job: Job, say: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The life of a worker on a node with this disk."""
    disk.mkdir()
    monkeypatch.setattr(staging.tempfile, "gettempdir", lambda: str(disk))
    here = placement.here(job)
    assert here.identity == job.identity
    assert here.data.is_relative_to(disk)
    placement.note_processor(job, CPU)
    with placement.mirrored(here, 0, say):
        train(here, Alone(), CPU, say)


def test_another_node_goes_on_from_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, undisturbed = tiny_job(tmp_path, TRAINING), tiny_job(tmp_path / "undisturbed", TRAINING)
    note_processor(undisturbed.platforms(), CPU, NETWORK.precision)
    train(undisturbed, Alone(), CPU, lambda text: None)
    with serving() as server:
        cluster = far(bucket(server, "runs"))
        assert not already_finished(job, cluster)
        placement = publish_job(job, cluster)
        said: list[object] = []
        with pytest.raises(DiedError):
            work_on(tmp_path / "a", placement, job, die_at("epoch 2/"), monkeypatch)
        work_on(tmp_path / "b", placement, job, said.append, monkeypatch)
        assert str(said[0]).startswith("resumes from epoch 2")
        assert finished(job) is None
        assert already_finished(job, cluster)
    assert job.platforms().read_text() == describe(CPU) + "\n"
    assert weights(job) == weights(undisturbed)


def test_a_training_that_began_here_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, said = tiny_job(tmp_path, TRAINING), list[object]()
    with pytest.raises(DiedError):
        train(job, Alone(), CPU, die_at("epoch 2/"))
    work_on(tmp_path / "a", publish_job(job, far(str(tmp_path / "storage"))), job, said.append, monkeypatch)
    assert str(said[0]).startswith("resumes from epoch 2")


def test_data_that_were_altered_on_the_way_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tiny_job(tmp_path, TRAINING)
    placement = publish_job(job, far(str(tmp_path / "storage")))
    monkeypatch.setattr(staging.tempfile, "gettempdir", lambda: str(tmp_path))
    for path in (tmp_path / "storage" / "files").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"damaged, its SHA-256 is"):
        placement.here(job)
