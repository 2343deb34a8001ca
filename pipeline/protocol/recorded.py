"""What a record means by choices that came after it: the authors', which was the only one when it was made.

Records are evidence and stay as they are; whoever compares their configurations reads them through this.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.config import recorded

LATER_IN_TRAINING: Mapping[str, Any] = MappingProxyType({"loss": "cross-entropy", "tet_lambda": 0.0})


def network(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a recorded network (models.config.LATER)."""
    return recorded(stored)


def training(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol of a recorded training."""
    return {**LATER_IN_TRAINING, **stored}
