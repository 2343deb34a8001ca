"""The name of a training: a digest of everything that can change its result."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def training_identity(
    network: Mapping[str, Any], training: Mapping[str, Any], seed: int, rows: Sequence[str], code: str, torch: str
) -> str:
    """Digest (16 hexadecimal digits) of configuration, seed, data, the code that trains and torch's version.

    Of values as a record holds them, so that a reader can ask which code gave a training its name.
    """
    parts = {
        "network": network,
        "training": training,
        "seed": seed,
        "data": rows,
        "code": code,
        "torch": torch,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
