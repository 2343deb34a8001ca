"""results/agreement.json: measurements of the stage `agreement` for claims that need no training."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from models.bounds import STRICT, Within
from pipeline.ground.files import write_whole
from pipeline.ground.schema import read_as
from pipeline.judge.claims import AgreementClaim, Claim, CountClaim

AGREEMENT_STAGE = "agreement"
MEASURED = Path("results") / "agreement.json"
"""Path relative to the repository, or to a report's evidence/."""
DECIDED_BY_IT = (CountClaim, AgreementClaim)
MeasuredNumber = Annotated[float, Within(0, sys.float_info.max)] | None
"""A size, or a deviation rounded up to one digit; None if the numbers cannot be compared: other shapes, or NaN."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The content of agreement.json."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    platform: str
    """Processor and torch that computed it."""
    claims: dict[str, MeasuredNumber]
    """By the claim's id."""

    def write(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self), indent=2, allow_nan=False).encode() + b"\n")


def read_measured(root: Path) -> Measured | None:
    """The measurements in the repository or evidence folder `root`; None if there are none. Raises InputError."""
    path = root / MEASURED
    return read_as(Measured, path, "measurements", "`dvc repro agreement` writes it") if path.exists() else None


def needs_measuring(claims: list[Claim]) -> bool:
    """Whether the stage `agreement` decides at least one of the claims."""
    return any(isinstance(claim, DECIDED_BY_IT) for claim in claims)


def power_of_ten(number: float) -> str:
    """1e-9 for 1e-09."""
    return f"{number:g}".replace("e-0", "e-")
