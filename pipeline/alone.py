"""Trains runs of params.yaml in this process, without Ray: python -m pipeline.alone cifar10-jpeg-0

For a machine on which Ray cannot be. The states lie where the stage `train` looks for them: bring them home, and `dvc
repro` there, with the same code and the same torch, takes the finished training over.
"""

import argparse
import sys
from datetime import UTC, datetime

import torch

from pipeline import paths
from pipeline.data.params import load_cluster
from pipeline.errors import InputError
from pipeline.params import load_run
from pipeline.train.hardware import note
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.progress import Report
from pipeline.train.reduce import Alone


def main() -> int:
    parser = argparse.ArgumentParser(description="Trains one run of params.yaml in this process, without Ray.")
    parser.add_argument("run", help="name under `runs:` in params.yaml, for example digits-0")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="as torch names it")
    arguments = parser.parse_args()
    try:
        train_alone(arguments.run, torch.device(arguments.device))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train_alone(name: str, device: torch.device) -> None:
    """Trains to the end, or goes on where it stopped. Raises InputError."""
    (run, experiment), cluster = load_run(name), load_cluster()
    job = Job(
        name=name,
        network=experiment.model,
        training=experiment.training,
        seed=run.seed,
        data=paths.arrow(run.dataset),
        runs=paths.RUNS,
        checkpoint_seconds=cluster.checkpoint_seconds,
        recompute=cluster.recompute,
    )
    note(job.platforms(), device)

    def say(told: str | Report) -> None:
        line = f"{datetime.now(UTC):%H:%M:%S} {told}"
        print(line, flush=True)
        with job.log().open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    train(job, Alone(), device, say)


if __name__ == "__main__":
    sys.exit(main())
