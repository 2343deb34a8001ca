"""The schedule of `make chaos`, without its kills. tests/train/test_cluster.py kills a worker and a driver."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from pipeline.train.checkpoints import write_state
from pipeline.train.state import State
from tests.chaos.chaos import KINDS, first_difference, left_alone, schedule
from tests.train.tiny import TRAINING, tiny_job


def test_the_schedule_follows_from_its_seed() -> None:
    assert schedule(20, 0, 1000) == schedule(20, 0, 1000)
    assert schedule(20, 0, 1000) != schedule(20, 1, 1000)
    assert Counter(plan.kind for plan in schedule(20, 0, 1000)) == dict.fromkeys(KINDS, 5)


def test_a_difference_is_told_by_its_epoch(tmp_path: Path) -> None:
    job = replace(tiny_job(tmp_path, TRAINING), runs=tmp_path / "runs")
    for one, losses in ((left_alone(job), (3.0, 2.0, 1.0)), (job, (3.0, 2.1, 1.1))):
        history = [{"train_loss": loss} for loss in losses]
        write_state(State(epoch=job.training.epochs, history=[dict(row) for row in history]), one.checkpoint(), 1)
    assert first_difference(job) == "first in epoch 2"
    assert first_difference(left_alone(job)) == "but no epoch's metrics"
