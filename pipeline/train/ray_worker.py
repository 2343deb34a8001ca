"""One worker of a training on Ray: what on_ray.py sends to it, and what it does."""

import os
import resource
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import ray.train
import ray.train.torch
import torch.distributed

from pipeline.cluster.check import Software, check_software
from pipeline.cluster.nodes import free_workers
from pipeline.cluster.notice import drain_notice
from pipeline.ground.code import code_digest, code_files
from pipeline.protocol.reduce import Alone, Group, Workers
from pipeline.train.gauges import set_gauges
from pipeline.train.job import Job
from pipeline.train.loop import EpochMetrics, train
from pipeline.train.outcome import TrainingOutcome
from pipeline.train.placement import Placement
from pipeline.train.progress import ProgressReport


@dataclass(frozen=True, kw_only=True)
class WorkerJob:
    """Everything a worker needs; pickled and sent to it."""

    job: Job
    placement: Placement
    say: Callable[[str | ProgressReport], None]
    """Adds to the log."""
    software: Software | None
    """What the worker must run; None on this machine, whose checkout may be edited meanwhile."""
    cpus: int
    gpus: int
    """CPUs and GPUs per worker."""
    wanted: int
    """Number of workers, if the cluster has room for them."""
    recovered: Mapping[str, int] = field(default_factory=dict)
    """How often the training recovered until now, by cause."""
    meeting: Path | None = None
    """Rendezvous file of workers on one machine; None: they rendezvous by TCP at the first worker's node."""

    def backend(self) -> str:
        """Backend of torch.distributed."""
        return "nccl" if self.gpus else "gloo"

    def room(self) -> int:
        """Number of workers that fit into the cluster's free resources."""
        return free_workers(self.cpus, self.gpus)


def run_worker(work: WorkerJob) -> TrainingOutcome:
    """Trains as one worker of the group."""
    join_process_group(work)
    workers = group()

    def say(message: str | ProgressReport) -> None:
        if workers.rank == 0:
            work.say(message)
            set_gauges(message, work.job.name, work.recovered)

    def more_fit(metrics: EpochMetrics) -> bool:
        ray.train.report(dict(metrics))  # by all workers; Ray writes it into their logs
        with suppress(ray.exceptions.RayError, TimeoutError):  # a busy cluster is asked again after the next epoch
            return workers.rank == 0 and workers.size < work.wanted and work.room() > 0
        return False

    device = ray.train.torch.get_device()
    if work.software:
        check_software(work.software)
    job = work.placement.here(work.job)
    work.placement.note_processor(work.job, device)
    nodes = nodes_of(workers, device) if work.software else frozenset()
    with (
        work.placement.mirrored(job, workers.rank, say),
        drain_notice(nodes if workers.rank == 0 else frozenset(), say) as notice,
    ):
        train(job, workers, device, say, leave=more_fit, halt=notice)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return TrainingOutcome(peak_memory_bytes=peak, code=code_digest(code_files()), drained=notice.addresses)


def nodes_of(workers: Workers, device: torch.device) -> frozenset[str]:
    """Ids of the nodes on which the workers run."""
    own = bytes.fromhex(ray.get_runtime_context().get_node_id())
    found = workers.gather(torch.tensor(list(own), device=device))
    return frozenset(bytes(one.tolist()).hex() for one in found)


def join_process_group(work: WorkerJob) -> None:
    """Joins the process group of workers on one machine, with ports on the loopback interface only.

    torch's TCP store would listen on every interface, without authentication.
    """
    here = ray.train.get_context()
    if work.meeting is None or here.get_world_size() == 1:
        return
    loopback = next(name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))  # Linux, macOS
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
    torch.distributed.init_process_group(
        work.backend(),
        init_method=f"file://{work.meeting}",
        rank=here.get_world_rank(),
        world_size=here.get_world_size(),
    )


def group() -> Workers:
    """The workers of this attempt. Raises RuntimeError, so that they restart, if another one has died before."""
    if ray.train.get_context().get_world_size() == 1:
        return Alone()
    if not torch.distributed.is_initialized():
        raise RuntimeError("the process group is gone: another worker has died")
    return Group()
