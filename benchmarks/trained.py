"""Trainings in this process, for benchmarks that compare accuracies."""

import numpy as np
import torch

from models.sresnet import SResNet
from pipeline.data.store import Store
from pipeline.protocol.reduce import Alone
from pipeline.protocol.score import score
from pipeline.train import loop
from pipeline.train.checkpoints import newest_state
from pipeline.train.job import Job
from pipeline.train.training import begin

CPU = torch.device("cpu")


def accuracy_of(job: Job) -> float:
    """Test accuracy (percent) after the last epoch."""
    model, test = trained(job), Store(job.data, "test")
    return score(model, test, np.arange(len(test)), job.training, job.seed, Alone()).accuracy()


def trained(job: Job) -> SResNet:
    """The network after the last epoch; a finished training is not repeated."""
    loop.train(job, Alone(), CPU, lambda text: None)
    state = newest_state(job.checkpoint())
    assert state is not None, "a training ends with a checkpoint"
    return begin(job, Alone(), CPU, state).model
