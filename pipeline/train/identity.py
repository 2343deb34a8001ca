"""The name of a training: a digest of everything that can change its result."""

import ast
import hashlib
import io
import json
import tokenize
from dataclasses import asdict
from pathlib import Path

import torch

from models.config import NetworkConfig
from pipeline.train.config import TrainingConfig

ROOT = Path(__file__).resolve().parents[2]
CODE = ("models/**/*.py", "pipeline/train/*.py", "pipeline/data/store.py", "pipeline/data/augment.py")
NOT_RESULT = (
    *(f"models/{name}.py" for name in ("authors", "checkpoint", "compare", "numbers")),
    *(f"pipeline/train/{name}.py" for name in ("cluster", "export", "hardware", "journal", "mirror", "placement")),
    "pipeline/train/progress.py",
)
"""Where it runs, what it says and how it is written down; none changes a weight."""


def run_identity(network: NetworkConfig, training: TrainingConfig, seed: int, data_digests: tuple[str, ...]) -> str:
    """Digest (16 hexadecimal digits) of configuration, seed, data, the code that trains and torch's version.

    It names the resume state: an interrupted run is found again, a changed one never picks up other weights.
    """
    parts = {
        "network": asdict(network),
        "training": asdict(training),
        "seed": seed,
        "data": data_digests,
        "code": code_digest(),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def code_digest(root: Path = ROOT) -> str:
    """Digest of the code that trains, blind to comments, docstrings and empty lines: those must not cost a training.

    It is made from the text, not from the syntax tree, whose form changes with Python's version.
    """
    paths = sorted({path for pattern in CODE for path in root.glob(pattern)} - {root / name for name in NOT_RESULT})
    parts = [f"{path.relative_to(root).as_posix()}\n{_meaning(path.read_text(encoding='utf-8'))}" for path in paths]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _meaning(text: str) -> str:
    """The lines of a file without comments and without strings that stand alone (docstrings, of fields too)."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None, "parsed from text"
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())
