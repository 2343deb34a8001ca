"""The name of a training that this code does."""

from dataclasses import asdict

import torch

from models.config import NetworkConfig
from pipeline.ground.code import TRAINS, code_digest, code_files
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.identity import training_identity


def run_identity(network: NetworkConfig, training: TrainingConfig, seed: int, data_digests: tuple[str, ...]) -> str:
    """It names the resume state: an interrupted run is found again, a changed one never picks up other weights."""
    code = code_digest(code_files(TRAINS))
    return training_identity(asdict(network), asdict(training), seed, data_digests, code, torch.__version__)
