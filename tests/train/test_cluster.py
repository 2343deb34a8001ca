"""Training and evaluation on a real Ray: worker counts, and death of workers or drivers, do not change results."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import ray
import torch
import torch.distributed
from ray.train import TrainingFailedError
from ray.train.v2.api.exceptions import WorkerGroupError

from pipeline.cluster import session
from pipeline.cluster.workers import SHARED
from pipeline.evaluate import evaluate as evaluation
from pipeline.evaluate.evaluate import Task, evaluate, evaluate_in_process
from pipeline.evaluate.operations import summed_work
from pipeline.ground.errors import InputError
from pipeline.protocol.hardware import note_processor
from pipeline.protocol.reduce import Alone
from pipeline.train import on_ray
from pipeline.train.checkpoints import newest_state, write_state
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.on_ray import fit
from pipeline.train.outcome import TrainingOutcome
from pipeline.train.progress import GAUGES
from pipeline.train.ray_worker import WorkerJob
from pipeline.train.recoveries import recoveries
from pipeline.train.state import State
from tests.train.tiny import ONE, TRAINING, tiny_job

TWO = ONE.model_copy(update={"workers": 2})
KILLED = replace(TRAINING, epochs=5)
DRIVER = """
import pickle, sys, time
from pathlib import Path
from pipeline.train import on_ray

class Held(on_ray.Journal):
    def add(self, message):
        super().add(message)
        while str(message).startswith("epoch 2/") and not self.log.with_name("killed").exists():
            time.sleep(0.05)
        if str(message).startswith("epoch 4/"):
            time.sleep(600)

on_ray.Journal = Held
on_ray.fit(*pickle.loads(Path(sys.argv[1]).read_bytes()))
"""
"""Its first worker waits in epoch 2 until one was killed, and in epoch 4 until the driver is."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, bytes]]:
    """A tiny training in this process, without Ray, and its weights."""
    job, threads = tiny_job(tmp_path_factory.mktemp("one"), KILLED), torch.get_num_threads()
    note_processor(job.platforms(), torch.device("cpu"), job.network.precision)
    train(job, Alone(), torch.device("cpu"), lambda text: None)
    yield job, weights(job)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def weights(job: Job) -> bytes:
    export(job, "tiny", "tiny", job.runs / "exported")
    return (job.runs / "exported" / "model.safetensors").read_bytes()


def wait_for(path: Path, text: str) -> None:
    wait_until(lambda: path.exists() and text in path.read_text(encoding="utf-8"), f"{path} never said {text}")


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.1)
    pytest.fail(otherwise)


def workers_of(process: int) -> list[int]:
    """Ray's worker processes that train, among the descendants of a process."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.Error):  # it may have ended meanwhile
            found += [child.pid] if "RayTrainWorker" in " ".join(child.cmdline()) else []
    return found


@pytest.fixture(scope="module")
def held(
    _ray_of_the_session: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Job, subprocess.Popen[bytes]]]:
    """A training by two workers, one of which was killed, and its driver; it is held in epoch 4."""
    folder = tmp_path_factory.mktemp("two")
    job = tiny_job(folder, KILLED)
    (folder / "job").write_bytes(pickle.dumps((job, TWO)))
    command = [sys.executable, "-c", DRIVER, str(folder / "job")]
    driver = subprocess.Popen(command, env=os.environ | {SHARED: _ray_of_the_session}, stdout=subprocess.DEVNULL)
    try:
        wait_for(job.log(), "epoch 2/5")
        # the newest: a worker of an earlier test may still be ending
        os.kill(max(workers_of(os.getpid()), key=lambda worker: psutil.Process(worker).create_time()), signal.SIGKILL)
        job.log().with_name("killed").touch()
        wait_for(job.log().with_name("metrics.jsonl"), '"epoch": 4')
        yield job, driver
    finally:
        driver.kill()
        driver.wait()


def test_measures_reach_the_endpoint_that_nobody_beyond_this_machine_reaches(
    held: tuple[Job, subprocess.Popen[bytes]], shared_ray: None
) -> None:
    """Those of the last report before the one in which the training is held."""
    job, _ = held
    report = json.loads(job.log().with_name("metrics.jsonl").read_text(encoding="utf-8").splitlines()[-2])
    with session.connect(ONE, most=1):
        (node,) = ray.nodes()
        url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"
        expected = {(f"ray_sresnet_{field}", report[field]) for field in GAUGES}
        expected |= {("ray_sresnet_recoveries", 1.0), ("ray_sresnet_recoveries", 0.0)}  # of a failure, of a preemption
        wait_until(lambda: expected <= gauges_at(url), f"{url} never had {expected}")
        mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
        sockets = [socket for process in mine for socket in process.net_connections("inet")]
        listening = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}


def gauges_at(url: str) -> set[tuple[str, float]]:
    """Ours; those of the worker that was killed stay for a while."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if 'run="tiny-0"' in line]
    return {(line.split("{")[0], float(line.split()[-1])) for line in lines}


def test_a_killed_worker_and_a_killed_driver_change_no_bit(
    undisturbed: tuple[Job, bytes], held: tuple[Job, subprocess.Popen[bytes]], shared_ray: None, tmp_path: Path
) -> None:
    """Another process goes on without Ray, or with fewer workers on it."""
    job, driver = held
    log = job.log().read_text(encoding="utf-8")
    assert "starts with 2 worker(s)" in log
    assert re.search(r"resumes from epoch [123]", log), log  # by where the killed worker was
    assert recoveries(job.log()) == {"failure": 1, "preemption": 0}
    driver.kill()
    driver.wait()
    wait_until(lambda: not workers_of(os.getpid()), "its workers live on")
    assert finished(job) is None
    copied = job.moved(job.data, Path(shutil.copytree(job.runs, tmp_path / "runs")))
    said: list[str] = []
    train(copied, Alone(), torch.device("cpu"), lambda message: said.append(str(message)))
    assert said[0] == "resumes from epoch 4, step 0, with 1 worker(s)"
    assert weights(copied) == undisturbed[1]
    fit(job, ONE)
    assert said[0] in job.log().read_text(encoding="utf-8")
    assert weights(job) == undisturbed[1]


def test_workers_stop_after_an_epoch_and_go_on_with_the_same_bits(
    undisturbed: tuple[Job, bytes], tmp_path: Path, shared_ray: None
) -> None:
    """As `sresnet sweep --halving` stops them; this is not taken for a failure. Goes on in this process."""
    job = tiny_job(tmp_path, KILLED)
    fit(job.stopped(2), TWO)
    assert recoveries(job.log()) == {"failure": 0, "preemption": 0}
    state = newest_state(job.checkpoint())
    assert state is not None
    assert (state.epoch, state.step) == (2, 0)
    train(job, Alone(), torch.device("cpu"), lambda text: None)
    assert weights(job) == undisturbed[1]


def test_more_gpus_than_there_are_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ray, "cluster_resources", lambda: {"CPU": 2.0})
    with pytest.raises(InputError, match=r"a worker takes 1 GPU\(s\) .*, and this machine has 0"):
        session._workers(ONE, 1, 1, 1)


def test_workers_that_leave_nothing_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []

    def stopped(work: WorkerJob, workers: int) -> TrainingOutcome:
        runs.append(workers)
        return TrainingOutcome(peak_memory_bytes=1, code="")

    monkeypatch.setattr(on_ray, "run_trainer", stopped)
    work = on_ray.work_for(tiny_job(tmp_path, TRAINING), ONE, 1)
    with pytest.raises(InputError, match=r"^workers stopped before the end and left no new checkpoint"):
        on_ray.until_finished(work, 1)
    assert runs == [1]


def test_a_node_that_ray_takes_away_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announced and left after a checkpoint, or died with, more often than workers may die in a row."""
    job = tiny_job(tmp_path, TRAINING)
    work, ends = on_ray.work_for(job, ONE, 1), iter([left, died_with] * (on_ray.FAILURES + 1) + [ended])
    monkeypatch.setattr(on_ray, "run_trainer", lambda work, workers: next(ends)(job))
    monkeypatch.setattr(on_ray, "startable_workers", lambda work: 1)
    assert on_ray.until_finished(work, 1).code == "ended"
    assert recoveries(job.log()) == {"failure": 0, "preemption": 2 * (on_ray.FAILURES + 1)}
    assert "left 10.0.0.3, which Ray takes away" in job.log().read_text(encoding="utf-8")


def left(job: Job) -> TrainingOutcome:
    """After a checkpoint."""
    write_state(State(), job.checkpoint(), 1 + recoveries(job.log())["preemption"])
    return TrainingOutcome(peak_memory_bytes=1, code="", drained=("10.0.0.3",))


def died_with(job: Job) -> TrainingOutcome:
    raise group_error(RuntimeError("Connection closed by peer"), ray.exceptions.RayActorError(preempted=True))


def ended(job: Job) -> TrainingOutcome:
    write_state(State(epoch=TRAINING.epochs), job.checkpoint(), 1000)
    return TrainingOutcome(peak_memory_bytes=1, code="ended")


class RemoteError(ray.exceptions.RayError, ValueError):
    """As Ray wraps what another process raised, here one that died."""


MISTAKES = [ValueError("no variance"), TypeError("no tensor"), AssertionError(), KeyError("conv"), ZeroDivisionError()]
DEATHS = [
    RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:16413"),
    torch.distributed.DistBackendError("NCCL communicator was aborted"),
    ConnectionResetError(104, "Connection reset by peer"),
    ray.exceptions.ActorDiedError(),
    RemoteError(),
]


def group_error(*failures: Exception) -> TrainingFailedError:
    return WorkerGroupError("Traceback of all workers", dict(enumerate(failures)))


@pytest.mark.parametrize("mistake", MISTAKES, ids=repr)
def test_a_mistake_ends_at_once_and_its_traceback_is_kept(tmp_path: Path, mistake: Exception) -> None:
    job = tiny_job(tmp_path, TRAINING)
    with pytest.raises(InputError, match="it would happen again") as error:
        on_ray.raise_permanent_errors(group_error(DEATHS[0], mistake), job)
    assert type(mistake).__name__ in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert str(job.log()) in str(error.value)
    assert "Traceback of all workers" in job.log().with_name("traceback.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: type(death).__name__)
def test_a_death_is_tried_again(tmp_path: Path, death: Exception) -> None:
    on_ray.raise_permanent_errors(group_error(death), tiny_job(tmp_path, TRAINING))


def test_a_mistake_starts_workers_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []

    def failed(work: WorkerJob, workers: int) -> TrainingOutcome:
        starts.append(workers)
        raise group_error(ValueError("no variance"))

    monkeypatch.setattr(on_ray, "run_trainer", failed)
    with pytest.raises(InputError, match=r"^ValueError: no variance; it would happen again"):
        on_ray.until_finished(on_ray.work_for(tiny_job(tmp_path, TRAINING), ONE, 1), 1)
    assert starts == [1]


def test_a_training_of_a_sweep_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    auto = ONE.model_copy(update={"workers": "auto"})
    assert (on_ray.most_workers(auto, 3, 1), on_ray.most_workers(ONE, 3, 1)) == (3, 1)
    monkeypatch.setenv("SRESNET_WORKERS", "1")
    assert on_ray.most_workers(auto, 3, 1) == 1


def test_a_cluster_that_does_not_answer_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cluster\.address 127\.0\.0\.1:1: no Ray cluster answers there"):
        fit(tiny_job(tmp_path, TRAINING), ONE.model_copy(update={"address": "127.0.0.1:1"}))


def test_a_loss_that_is_no_number_is_one_error(shared_ray: None, tmp_path: Path) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, learning_rate=1000.0, weight_decay=10.0))
    with pytest.raises(InputError, match=r"^the loss is .* at epoch 2, step \d+; a lower training\.learning_rate"):
        fit(job, ONE)


def test_evaluation_sees_every_sample_and_no_worker(undisturbed: tuple[Job, bytes], shared_ray: None) -> None:
    job, _ = undisturbed
    weights(job)
    task = Task(
        model=job.runs / "exported" / "model.safetensors", data=job.data, training=replace(KILLED, batch_size=3), seed=0
    )
    two, batches = (
        evaluate(task, evaluation.evaluate_on_ray(TWO), "tiny"),
        list(evaluate_in_process(torch.device("cpu"))(task, [0, 1, 2])),
    )
    assert two.voltage.shape == (13, 2, 3)
    assert two.voltage.tobytes() == b"".join(batch.voltage.tobytes() for batch in batches)
    for layer, spikes in two.spikes.items():
        assert spikes.tolist() == sum(batch.spikes[layer] for batch in batches).tolist()
    assert two.work == summed_work([batch.work for batch in batches])
    assert two.work["stem"].samples == 5  # of batches of 6, 6 and 1: the first, and the fifth of six
