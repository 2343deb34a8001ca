"""The name of a training: a digest of everything that can change its result."""

import ast
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch

from models.config import NetworkConfig
from pipeline.train.config import TrainingConfig

ROOT = Path(__file__).resolve().parents[2]
CODE = ("models/**/*.py", "pipeline/train/*.py", "pipeline/data/store.py", "pipeline/data/augment.py")
NOT_RESULT = (
    *(f"models/{name}.py" for name in ("authors", "checkpoint")),
    *(f"pipeline/train/{name}.py" for name in ("cluster", "export", "hardware", "progress")),
)
"""Where it runs, what it says and how it is written down; none changes a weight."""


def run_identity(network: NetworkConfig, training: TrainingConfig, seed: int, data_digest: str) -> str:
    """Digest (16 hexadecimal digits) of configuration, seed, data, the code that trains and torch's version.

    It names the resume state: an interrupted run is found again, a changed one never picks up other weights.
    """
    parts = {
        "network": asdict(network),
        "training": asdict(training),
        "seed": seed,
        "data": data_digest,
        "code": code_digest(),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def code_digest(root: Path = ROOT) -> str:
    """Digest of the code that trains, blind to comments, docstrings and layout: those must not cost a training."""
    paths = sorted({path for pattern in CODE for path in root.glob(pattern)} - {root / name for name in NOT_RESULT})
    parts = [f"{path.relative_to(root).as_posix()}\n{_meaning(path)}" for path in paths]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _meaning(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
