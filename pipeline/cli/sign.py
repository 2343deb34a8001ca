"""`sresnet sign`: verifies a report, then signs it."""

from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.names import shown
from pipeline.ground.paths import REPORT
from pipeline.report.signing import read_private_key, sign
from pipeline.verify.verify import verify


def sign_report(report: Path, key: Path) -> None:
    """Signs a report if it verifies. Raises InputError if it does not."""
    read_private_key(key)  # before the report, which takes seconds
    if found := verify(report).breaks:
        raise InputError("\n".join([f"nothing was signed: {shown(str(one))}" for one in found]))
    print(f"{report}: signed with key {sign(report, key)}; `sresnet verify --key PUBLIC` checks it")
    if report.resolve() == REPORT.resolve():
        print("note: the next `dvc repro` makes report/ anew, without the signatures; sign a copy to keep them")
