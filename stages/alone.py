"""Trains and evaluates runs of params.yaml without Ray, one after another: python -m stages.alone digits-0 digits-dvs-0

In this process, on its GPU if there is one: for a machine on which Ray cannot be, and for many short runs, of which the
start of Ray would take the most. It writes what the stages `train` and `evaluate` write, with the same bits on the same
hardware. DVC does not know of it: `dvc repro` takes the finished training from runs/, and evaluates again.
"""

import argparse
from functools import partial

import torch

from pipeline.evaluate.evaluate import evaluate_in_process
from pipeline.ground import stage
from pipeline.train import jobs
from stages import evaluate, train


def train_and_evaluate(name: str, device: torch.device) -> None:
    """Exits as a stage does."""
    stage.run_stage(f"train@{name}", partial(train.main, name, jobs.train_in_process(device)))
    stage.run_stage(f"evaluate@{name}", partial(evaluate.main, name, evaluate_in_process(device)))


def device_of(*, cpu: bool) -> torch.device:
    """The current GPU, which CUDA_VISIBLE_DEVICES chooses, or the CPU where there is none or it is asked for."""
    return torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains and evaluates runs of params.yaml without Ray.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names under `runs:` in params.yaml, as digits-0")
    parser.add_argument("--cpu", action="store_true", help="not on the GPU that is there")
    arguments = parser.parse_args()
    for run in arguments.runs:
        train_and_evaluate(run, device_of(cpu=arguments.cpu))
