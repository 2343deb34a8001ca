"""Trains one run of params.yaml in this process, without Ray: python -m pipeline.alone cifar10-jpeg-0

For a machine on which Ray cannot be. The states lie where the stage `train` looks for them: bring `runs/` home, and
`dvc repro` there, with the same code and the same torch, takes the finished training over.
"""

import argparse
import sys

import torch

from pipeline import paths
from pipeline.data.params import load_cluster
from pipeline.errors import InputError
from pipeline.params import load_run
from pipeline.train.export import finished
from pipeline.train.hardware import note
from pipeline.train.job import Job
from pipeline.train.journal import Journal
from pipeline.train.loop import train
from pipeline.train.placement import runs_folder
from pipeline.train.progress import Report
from pipeline.train.reduce import Alone


def main() -> int:
    parser = argparse.ArgumentParser(description="Trains one run of params.yaml in this process, without Ray.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    parser.add_argument("--cpu", action="store_true", help="not on the GPU that is there")
    arguments = parser.parse_args()
    try:
        train_alone(arguments.run, device_of(cpu=arguments.cpu))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"error: {arguments.run}: interrupted; run it again to continue", file=sys.stderr)
        return 130
    return 0


def device_of(*, cpu: bool) -> torch.device:
    """The current GPU, which CUDA_VISIBLE_DEVICES chooses, or the CPU where there is none or it is asked for."""
    return torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")


def train_alone(name: str, device: torch.device) -> None:
    """Trains to the end, or goes on where it stopped. Raises InputError."""
    (run, experiment), cluster = load_run(name), load_cluster()
    job = Job(
        name=name,
        network=experiment.model,
        training=experiment.training,
        seed=run.seed,
        data=paths.arrow(run.dataset),
        runs=runs_folder(cluster),
        checkpoint_seconds=cluster.checkpoint_seconds,
        recompute=cluster.recompute,
    )
    if finished(job):
        print(f"{name}: is finished, in {job.checkpoint()}")
        return
    note(job.platforms(), device)
    journal = Journal(job.log())

    def say(told: str | Report) -> None:
        journal.add(told)
        print(told, flush=True)

    train(job, Alone(), device, say)


if __name__ == "__main__":
    sys.exit(main())
