"""The quick form of `make chaos`: a worker, a driver and a node are killed, and not a bit changes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.chaos.chaos import Planned, disturbed, schedule, undisturbed
from tests.train.tiny import TRAINING, tiny_job


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def test_the_schedule_follows_from_its_seed() -> None:
    assert schedule(20, 0, 1000) == schedule(20, 0, 1000)
    assert schedule(20, 0, 1000) != schedule(20, 1, 1000)
    assert Counter(plan.kind for plan in schedule(20, 0, 1000)) == {"worker": 7, "driver": 7, "node": 6}


def test_a_killed_worker_and_a_node_that_leaves_and_returns_change_no_bit(tmp_path: Path) -> None:
    job = replace(tiny_job(tmp_path, replace(TRAINING, epochs=30, batch_size=2)), checkpoint_seconds=1)
    expected, said = undisturbed(job), list[str]()
    planned = [
        Planned(kind="worker", step=30, pause=0.1, which=1),
        Planned(kind="node", step=120, pause=0.1, which=0),
    ]
    killed, found = disturbed(job, planned, 2, said.append)
    assert found == expected
    assert [one.kind for one in killed] == ["worker", "node"]
    assert killed[1].back.endswith("with 1 worker(s)"), said
    resumes = [line for line in job.log().read_text(encoding="utf-8").splitlines() if "goes on from" in line]
    assert resumes[-1].endswith("with 2 worker(s)")
