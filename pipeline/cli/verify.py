"""`sresnet verify`: prints the checks that a report passes, or the first broken link."""

import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.names import shown
from pipeline.verify.verify import Recomputation, verify

_SHOWN = 20
"""Broken links that are printed after the first."""


def recomputation(again: bool, train_again: bool, root: Path | None) -> Recomputation | None:
    """The recomputation that the options ask for; None if none. Raises InputError if `root` is needed and missing."""
    if not (again or train_again):
        return None
    if root is None:
        option = "--train-again" if train_again else "--again"
        raise InputError(f"{option} computes from the raw data and weights of a checkout: name it with --root")
    from pipeline.verify.recompute import AGAIN, TRAIN_AGAIN  # torch takes seconds to import

    return TRAIN_AGAIN if train_again else AGAIN


def verify_report(report: Path, key: Path | None, root: Path | None, anew: Recomputation | None = None) -> None:
    """Prints the checks that passed. Raises InputError that names the broken links, or the first and their number."""
    if root is not None and not (root / "dvc.yaml").is_file():
        wrong = "no dvc.yaml in this folder" if root.is_dir() else "no such folder"
        raise InputError(f"--root {root}: {wrong}; expected a checkout that ran the stages")
    start = time.perf_counter()
    verified = verify(report, key, root.resolve() if root else None, anew)
    if verified.breaks:
        raise InputError("\n".join(_broken([shown(str(one)) for one in verified.breaks])))
    for line in verified.looked:
        print(f"ok    {shown(line)}")
    for note in verified.notes:
        print(f"note  {shown(note)}")
    print(f"{report}: everything holds ({time.perf_counter() - start:.1f} s)")


def _broken(links: list[str]) -> Iterator[str]:
    """The first broken link, some of the others, and the number of the rest."""
    first, *others = links
    yield f"broken: {first}"
    yield from (f"  also {other}" for other in others[:_SHOWN])
    if len(others) > _SHOWN:
        yield f"  and {len(others) - _SHOWN:,} more broken link(s)"
