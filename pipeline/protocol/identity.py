"""The identity of a training: a digest of everything that can change its result."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def training_identity(
    network: Mapping[str, Any], training: Mapping[str, Any], seed: int, rows: Sequence[str], code: str, torch: str
) -> str:
    """Digest (16 hexadecimal digits) of configuration, seed, data, training code and torch's version.

    All arguments are values that a record contains, so that a reader can recompute the identity.
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
