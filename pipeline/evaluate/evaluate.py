"""Runs every test sample through a trained network, once. Shapes: B samples, T time steps, K classes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.sresnet import SResNet
from pipeline.cluster.staging import Shipment, publish, stage
from pipeline.cluster.storage import open_storage
from pipeline.cluster.workers import in_this_process, workers_here
from pipeline.data.store import Store
from pipeline.evaluate.observe import work_of
from pipeline.evaluate.operations import summed_work
from pipeline.evaluate.predictions import Seen
from pipeline.evaluate.trained import read_network
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from pipeline.ground.progress import progress
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import check_kernels, computed_by, device_of, keep_memory
from pipeline.protocol.inputs import prepare
from pipeline.protocol.sampler import encoding_seed
from pipeline.protocol.score import EVALUATION_EPOCH


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker needs to evaluate any batch of the test split."""

    model: Path
    data: Path
    training: TrainingConfig
    seed: int
    shipment: Shipment | None = None
    """The model and the data in storage, if workers may be on other machines."""

    def here(self) -> "Task":
        """The same task with its files on this node's disk."""
        if self.shipment is None:
            return self
        folder = stage(self.shipment)
        return replace(self, model=folder / self.model.name, data=folder, shipment=None)

    def batches(self, samples: int) -> list[npt.NDArray[np.int64]]:
        """Indices of the test samples in batches of twice the training's batch size, as the authors chose."""
        size = 2 * self.training.batch_size
        return [np.arange(start, min(start + size, samples)) for start in range(0, samples, size)]


class Evaluator:
    """One worker: the network in memory, the test split mapped."""

    def __init__(self, task: Task, device: str) -> None:
        self.task, self.device = task.here(), torch.device(device)
        keep_memory()
        torch.set_num_threads(task.training.threads)
        torch.use_deterministic_algorithms(True)
        self.store = Store(self.task.data, "test")
        self.model: SResNet = read_network(self.task.model).to(self.device).eval()

    def see(self, index: int) -> Seen:
        """Result of the network on batch `index`; independent of batches computed before.

        Raises InputError without the compiled kernels.
        """
        check_kernels(self.device)  # here, because Ray hides what an actor's __init__ raises
        batch = self.task.batches(len(self.store))[index]
        values = prepare(self.store.read(batch), self.store.scale, self.task.training, self.device)
        generator = torch.Generator(self.device)
        generator.manual_seed(encoding_seed(self.task.seed, EVALUATION_EPOCH, index, 0))
        with work_of(self.model) as work:
            seen = self.model.observe(values, generator=generator)
        return Seen(
            voltage=_numpy(seen.voltage),
            spikes={name: _numpy(spikes) for name, spikes in seen.spikes.items()},
            neurons=seen.neurons,
            work=work,
            computed_by=frozenset({computed_by(self.device, self.model.config.precision)}),
        )


def _numpy(values: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = values.cpu().numpy()
    return array


See = Callable[[Task, list[int]], Iterator[Seen]]
"""Yields the results of these batches of a task, in order."""


def evaluate(task: Task, see: See, name: str) -> Seen:
    """Results of all test samples in the order of the split, identical bit for bit for any number of workers.

    Raises InputError if a voltage is not finite.
    """
    store = Store(task.data, "test")
    batches = task.batches(len(store))
    parts: list[Seen] = []
    with progress(f"evaluate {name}", total=len(store), unit="samples") as bar:
        for one in see(task, list(range(len(batches)))):
            parts.append(one)
            bar.update(len(one.voltage))
    seen = all_batches(parts)
    if not np.isfinite(seen.voltage).all():
        sample = store.ids[int(np.argwhere(~np.isfinite(seen.voltage))[0, 0])]
        raise InputError(f"{name}: the output voltage of test sample {sample} is not a number, so it has no accuracy")
    return seen


def all_batches(parts: list[Seen]) -> Seen:
    """The results of consecutive batches as one."""
    first = parts[0]
    return Seen(
        voltage=np.concatenate([part.voltage for part in parts]),
        spikes={layer: np.sum([part.spikes[layer] for part in parts], axis=0) for layer in first.spikes},
        neurons=first.neurons,
        work=summed_work([part.work for part in parts]),
        computed_by=frozenset().union(*(part.computed_by for part in parts)),
    )


def evaluate_on(cluster: ClusterParams) -> See:
    """Evaluates with threads of this process if `in_this_process` says so, else with workers on Ray."""

    def see(task: Task, batches: list[int]) -> Iterator[Seen]:
        if not in_this_process(cluster, torch.cuda.device_count()):
            return evaluate_on_ray(cluster)(task, batches)
        workers = workers_here(cluster, len(batches), cluster.cpus(task.training.threads))
        return evaluate_in_process(device_of(cluster.gpus_per_worker), workers)(task, batches)

    return see


def evaluate_in_process(device: torch.device, workers: int = 1) -> See:
    """Evaluates with `workers` threads of this process, which share the batches."""

    def see(task: Task, batches: list[int]) -> Iterator[Seen]:
        free = SimpleQueue[Evaluator]()
        for _ in range(workers):
            free.put(Evaluator(task, device.type))

        def one(index: int) -> Seen:
            worker = free.get()
            try:
                return worker.see(index)
            finally:
                free.put(worker)

        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(task.training.threads,)) as pool:
            yield from pool.map(one, batches)

    return see


def evaluate_on_ray(cluster: ClusterParams) -> See:
    """Evaluates with workers on Ray, which share the batches."""

    def see(task: Task, batches: list[int]) -> Iterator[Seen]:
        import ray  # takes seconds to import

        from pipeline.cluster.session import connect

        cpus, gpus = cluster.cpus(task.training.threads), cluster.gpus_per_worker
        with connect(cluster, most=len(batches), cpus_each=cpus, gpus_each=gpus) as workers:
            if cluster.address != "local":
                files = [task.model, *task.data.glob("test*")]
                task = replace(task, shipment=publish(files, open_storage(cluster.storage)))
            remote = ray.remote(num_cpus=cpus, num_gpus=gpus)(Evaluator)
            pool = ray.util.ActorPool([remote.remote(task, "cuda" if gpus else "cpu") for _ in range(workers)])
            yield from pool.map(lambda worker, index: worker.see.remote(index), batches)

    return see
