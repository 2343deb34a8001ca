"""Training and evaluation on a real Ray: worker counts, dead workers and dead drivers change no bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch
import torch.distributed
from ray.train import TrainingFailedError
from ray.train.v2.api.exceptions import WorkerGroupError

from pipeline.cluster import session
from pipeline.evaluate import evaluate as evaluation
from pipeline.evaluate.evaluate import Task, evaluate, evaluate_in_process
from pipeline.evaluate.operations import summed_work
from pipeline.ground.errors import InputError
from pipeline.protocol.hardware import note_processor
from pipeline.protocol.reduce import Alone
from pipeline.train import on_ray
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.on_ray import fit
from tests.train.tiny import ONE, TRAINING, tiny_job

TWO = ONE.model_copy(update={"workers": 2})
LONG = replace(TRAINING, epochs=50)
DRIVER = """
import pickle, sys
from pathlib import Path
from pipeline.ground.params import ClusterParams
from pipeline.train.on_ray import fit
job, cluster = pickle.loads(Path(sys.argv[1]).read_bytes())
fit(job, cluster)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, bytes]]:
    """A long tiny training in this process, without Ray, and its weights."""
    job, threads = tiny_job(tmp_path_factory.mktemp("one"), LONG), torch.get_num_threads()
    note_processor(job.platforms(), torch.device("cpu"), job.network.precision)
    train(job, Alone(), torch.device("cpu"), lambda text: None)
    yield job, weights(job)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def weights(job: Job) -> bytes:
    export(job, "tiny", "tiny", job.runs / "exported")
    return (job.runs / "exported" / "model.safetensors").read_bytes()


def wait_for(path: Path, text: str) -> None:
    for _ in range(1200):
        if path.exists() and text in path.read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    pytest.fail(f"{path} never said {text}")


def workers_of(process: int) -> list[int]:
    """Ray's worker processes that train, among the descendants of a process."""
    import psutil

    found = []
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.Error):  # it may have ended meanwhile
            found += [child.pid] if "RayTrainWorker" in " ".join(child.cmdline()) else []
    return found


def test_two_workers_and_a_killed_one_give_the_same_bits(
    undisturbed: tuple[Job, bytes], shared_ray: None, tmp_path: Path
) -> None:
    job = tiny_job(tmp_path, LONG)
    killed: list[int] = []

    def kill_one() -> None:
        wait_for(job.log(), "epoch 3/50")
        killed.extend(workers_of(os.getpid())[:1])
        for worker in killed:
            os.kill(worker, signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    fit(job, TWO)
    thread.join()
    assert killed, "the training ended before a worker could be killed"
    assert "resumes from epoch" in job.log().read_text(encoding="utf-8")
    assert weights(job) == undisturbed[1]


def test_a_killed_driver_goes_on_where_it_stopped(undisturbed: tuple[Job, bytes], tmp_path: Path) -> None:
    import pickle

    job = tiny_job(tmp_path, LONG)
    (tmp_path / "job").write_bytes(pickle.dumps((job, TWO)))
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path / "job")], stdout=subprocess.DEVNULL)
    wait_for(job.log(), "epoch 3/50")
    driver.kill()
    driver.wait()
    assert finished(job) is None
    said = ""

    def say(told: object) -> None:
        nonlocal said
        said += str(told)

    train(job, Alone(), torch.device("cpu"), say)
    assert said.startswith("resumes from epoch")
    assert weights(job) == undisturbed[1]


def test_more_gpus_than_there_are_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ray, "cluster_resources", lambda: {"CPU": 2.0})
    with pytest.raises(InputError, match=r"needs 1 GPUs, but the cluster local has 0"):
        session._workers(ONE, 1, 1, 1)


def test_workers_that_leave_nothing_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []

    def stopped(work: on_ray.WorkerJob, workers: int) -> on_ray.TrainingOutcome:
        runs.append(workers)
        return on_ray.TrainingOutcome(peak_memory_bytes=1, code="")

    monkeypatch.setattr(on_ray, "run_trainer", stopped)
    work = on_ray.work_for(tiny_job(tmp_path, TRAINING), ONE, 1)
    with pytest.raises(InputError, match="tiny-0: workers stopped before the end and left no new checkpoint"):
        on_ray.until_finished(work, 1)
    assert runs == [1]


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

    def failed(work: on_ray.WorkerJob, workers: int) -> on_ray.TrainingOutcome:
        starts.append(workers)
        raise group_error(ValueError("no variance"))

    monkeypatch.setattr(on_ray, "run_trainer", failed)
    with pytest.raises(InputError, match="tiny-0: ValueError: no variance; it would happen again"):
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
    with pytest.raises(
        InputError, match=r"tiny-0: the loss is .* at epoch 2, step \d+; a lower training\.learning_rate"
    ):
        fit(job, ONE)


def test_evaluation_sees_every_sample_and_no_worker(undisturbed: tuple[Job, bytes], shared_ray: None) -> None:
    job, _ = undisturbed
    weights(job)
    task = Task(
        model=job.runs / "exported" / "model.safetensors", data=job.data, training=replace(LONG, batch_size=3), seed=0
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
