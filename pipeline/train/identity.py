"""The name of a training: a digest of everything that can change its result."""

import hashlib
import json
from dataclasses import asdict

import torch

from models.config import NetworkConfig
from pipeline.ground.code import TRAINS, code_digest, code_files
from pipeline.protocol.config import TrainingConfig


def run_identity(network: NetworkConfig, training: TrainingConfig, seed: int, data_digests: tuple[str, ...]) -> str:
    """Digest (16 hexadecimal digits) of configuration, seed, data, the code that trains and torch's version.

    It names the resume state: an interrupted run is found again, a changed one never picks up other weights.
    """
    parts = {
        "network": asdict(network),
        "training": asdict(training),
        "seed": seed,
        "data": data_digests,
        "code": code_digest(code_files(TRAINS)),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
