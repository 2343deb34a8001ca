"""The identity of a training under the current code."""

from dataclasses import asdict

import torch

from models.config import NetworkConfig
from pipeline.ground.code import TRAINS, code_digest, code_files
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.identity import training_identity


def run_identity(network: NetworkConfig, training: TrainingConfig, seed: int, data_digests: tuple[str, ...]) -> str:
    """The identity (16 hexadecimal digits) of a training under the current code and torch version.

    It names the checkpoint folder, so that an interrupted training resumes and a changed one never loads its weights.
    """
    code = code_digest(code_files(TRAINS))
    return training_identity(asdict(network), asdict(training), seed, data_digests, code, torch.__version__)
