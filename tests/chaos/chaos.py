"""A training that is killed repeatedly, by a schedule that is derived from a seed."""

import hashlib
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

import torch

from pipeline.evaluate.evaluate import Evaluator, Task
from pipeline.ground.files import sha256
from pipeline.ground.params import ClusterParams
from pipeline.protocol.hardware import note_processor
from pipeline.protocol.sampler import epoch_batches, hold_out
from pipeline.train.checkpoints import newest_state, numbers
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.placement import STATE
from pipeline.train.recoveries import recoveries
from tests.chaos.nodes import Nodes, kill_all, still

Kind = Literal["worker", "driver", "node", "drained node"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PATIENCE_SECONDS = 400
"""The longest that a kill, a return or the end is waited for."""
GOES_ON = "resumes from epoch"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A kill that is to come."""

    kind: Kind
    step: int
    """Optimizer steps since the first epoch: from this checkpoint on, ..."""
    pause: float
    """... so many seconds later."""
    which: int
    """Picks the victim among those of its kind."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A kill that was."""

    kind: Kind
    processes: int
    """Killed at once."""
    step: int
    """The last step that a checkpoint held."""
    back: str
    """How the log says that it went on."""
    seconds: float
    """From the kill until then."""


def schedule(kills: int, seed: int, steps: int) -> list[Planned]:
    """Kills at random steps of a training; each kind as often as the others, in random order."""
    drawn = random.Random(seed)
    kinds = [KINDS[index % len(KINDS)] for index in range(kills)]
    drawn.shuffle(kinds)
    places = sorted(drawn.sample(range(steps // 20, steps * 17 // 20), kills))
    return [
        Planned(kind=kind, step=step, pause=drawn.uniform(0, 1), which=drawn.randrange(1000))
        for kind, step in zip(kinds, places, strict=True)
    ]


class Run:
    """A training on a cluster, by a driver in a process of its own."""

    def __init__(self, job: Job, nodes: Nodes) -> None:
        self.job, self.nodes, self.size = job, nodes, len(nodes.workers)
        self.read, self.steps, self.struck = list[int](), 0, 0
        store = job.train_store()
        samples = hold_out(store.labels, job.training.validation_percent)[0]
        self.epoch_steps = len(epoch_batches(samples, job.training, job.seed, 0))
        cluster = ClusterParams(
            address=nodes.address,
            workers="auto",
            cpus_per_worker="threads",
            gpus_per_worker=0,
            storage=str(job.runs),
            checkpoint_seconds=1,
            recompute="nothing",
        )
        job.runs.mkdir(parents=True, exist_ok=True)
        self.pickled = job.runs / "job.pickle"
        self.pickled.write_bytes(pickle.dumps((job, cluster)))
        self.output = job.runs / "driver.txt"
        self.drive()

    def drive(self) -> None:
        """Starts the driver."""
        with self.output.open("ab") as output:
            self.driver = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.driver", str(self.pickled)],
                env=self.nodes.environment,
                stdout=output,
                stderr=output,
            )

    def steps_done(self) -> int:
        """Optimizer steps that the newest checkpoint holds."""
        folder = self.job.checkpoint().with_name(STATE)  # the workers' storage: the driver's own follow after each run
        found = numbers(folder)
        if found != self.read:
            state = newest_state(folder)
            self.read, self.steps = found, state.epoch * self.epoch_steps + state.step if state else 0
        return self.steps

    def log(self) -> list[str]:
        """The lines of the training's log."""
        path = self.job.log()
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def resumes(self) -> list[str]:
        """Each time that it went on, without the time of day."""
        return [line.split("  ", 1)[1] for line in self.log() if GOES_ON in line]

    def wait(self, what: str, there: Callable[[], bool]) -> None:
        """Until something is there. Raises RuntimeError with the driver's output if it does not come."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not there():
            if time.monotonic() > end or self.driver.poll() is not None:
                said = self.output.read_text(encoding="utf-8")
                raise RuntimeError(f"no {what}; the driver ended with {self.driver.poll()} and said:\n{said[-4000:]}")
            time.sleep(0.05)

    def strike(self, planned: Planned) -> Killed:
        """Kills as planned, and sees to it that the training goes on: a driver and a node are started again."""
        step = max(planned.step, self.struck + 1)  # a training that dies again and again at one step gives up
        self.wait(f"checkpoint of step {step}", lambda: self.steps_done() >= step)
        self.wait("worker to kill", lambda: len(self.nodes.training()) > 0)
        time.sleep(planned.pause)
        went_on, done, start = len(self.resumes()), self.steps_done(), time.monotonic()
        self.struck = done
        processes = getattr(self, f"kill_{planned.kind.replace(' ', '_')}")(planned.which)
        self.wait("way on", lambda: len(self.resumes()) > went_on)
        seconds, back = time.monotonic() - start, self.resumes()[went_on]
        if planned.kind.endswith("node"):
            self.give_back()
        return Killed(kind=planned.kind, processes=processes, step=done, back=back, seconds=round(seconds, 1))

    def kill_worker(self, which: int) -> int:
        """kill -9 of one process that trains."""
        training = self.nodes.training()
        kill_all([training[which % len(training)]])
        return 1

    def kill_node(self, which: int) -> int:
        """kill -9 of all processes of one node."""
        return self.nodes.kill(which % len(self.nodes.workers))

    def kill_drained_node(self, which: int) -> int:
        """A node that trains is drained; at the deadline, what is left of its processes gets kill -9."""
        training = [index for index in range(len(self.nodes.workers)) if self.nodes.training_on(index)]
        index = training[which % len(training)]
        self.nodes.drain(index)
        return self.nodes.kill(index)

    def kill_driver(self, which: int) -> int:
        """kill -9 of the driver, then another one."""
        self.driver.kill()
        self.driver.wait()
        self.drive()
        return 1

    def give_back(self) -> None:
        """Another node in place of the lost one; after the epoch in which it comes it is used.

        What trains stands still meanwhile: a short training would be over before a slow node has started.
        """
        with still(self.nodes.training()):
            self.nodes.add()
        wanted = f"with {min(self.size, self.job.training.micro_batches)} worker(s)"
        self.wait("return of the lost node into the training", lambda: self.resumes()[-1].endswith(wanted))

    def finish(self) -> None:
        """Waits for the end. Raises RuntimeError."""
        if self.driver.wait(PATIENCE_SECONDS) != 0:
            raise RuntimeError(f"the driver said:\n{self.output.read_text(encoding='utf-8')[-4000:]}")


def digests(job: Job) -> dict[str, str]:
    """SHA-256 of a finished training's weights, of its history and of its predictions."""
    folder = job.runs / "exported"
    export(job, "chaos", "chaos", folder)
    task = Task(model=folder / "model.safetensors", data=job.data, training=job.training, seed=job.seed)
    evaluator, voltage = Evaluator(task, "cpu"), hashlib.sha256()
    for index in range(len(task.batches(len(evaluator.store)))):
        voltage.update(evaluator.see(index).voltage.tobytes())
    return {
        "weights": sha256(folder / "model.safetensors"),
        "history": sha256(folder / "history.csv"),
        "predictions": voltage.hexdigest(),
    }


def undisturbed(job: Job) -> dict[str, str]:
    """The digests of the same training in this process, by one worker."""
    from pipeline.protocol.reduce import Alone
    from pipeline.train.loop import train

    alone = left_alone(job)
    note_processor(alone.platforms(), torch.device("cpu"), alone.network.precision)
    train(alone, Alone(), torch.device("cpu"), lambda text: None)
    return digests(alone)


def left_alone(job: Job) -> Job:
    """The same training in the folder of the undisturbed one."""
    return replace(job, runs=job.runs.with_name("undisturbed"))


def first_difference(job: Job) -> str:
    """The first epoch in which the histories of the two trainings differ; its kills, or those before, may be why."""
    left, killed = (state.history for one in (left_alone(job), job) if (state := finished(one)))
    parted = [number for number, rows in enumerate(zip(left, killed, strict=True), 1) if rows[0] != rows[1]]
    return f"first in epoch {parted[0]}" if parted else "but no epoch's metrics"


def disturbed(
    job: Job, planned: list[Planned], count: int, say: Callable[[str], None]
) -> tuple[list[Killed], dict[str, str]]:
    """The digests of the training on `count` nodes with these kills, and what happened at each.

    Raises RuntimeError if the training's record does not count each drained node as a preemption.
    """
    killed = []
    with Nodes(count) as nodes:
        run = Run(job, nodes)
        try:
            for index, plan in enumerate(planned):
                killed.append(run.strike(plan))
                say(f"{index + 1:3} of {len(planned)}: {line(killed[-1])}")
            run.finish()
        finally:
            run.driver.kill()
            run.driver.wait()
    drained = sum(plan.kind == "drained node" for plan in planned)
    if (counted := recoveries(job.log()))["preemption"] != drained:
        raise RuntimeError(f"{drained} nodes were drained, but the record of recoveries says {counted}")
    return killed, digests(job)


def line(killed: Killed) -> str:
    """A kill for people."""
    return "a {kind} gone ({processes} process(es)) after step {step}; {back}, {seconds} s later".format(
        **asdict(killed)
    )
