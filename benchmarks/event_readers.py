"""Readers of other packages, from a file to columns x, y, p and t: those that the benchmark of events compares with."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Columns = Mapping[str, Any]
Reader = Callable[[Path], Columns]


def _expelliarmus(encoding: str) -> Reader:
    from expelliarmus import Wizard

    return lambda path: Wizard(encoding=encoding).read(path)


def _faery(_: str) -> Reader:
    import faery

    return lambda path: faery.events_stream_from_file(path).to_array()


def _evt3(_: str) -> Reader:
    import evt3

    return lambda path: _named(evt3.decode_file(str(path)))


def _named(events: Any) -> Columns:
    return {"t": events.t, "x": events.x, "y": events.y, "p": events.p}


def _evlib(_: str) -> Reader:
    import evlib

    return lambda path: _of_frame(evlib.load_events(str(path)).collect())


def _of_frame(frame: Any) -> Columns:
    t, x, y, p = (frame[name].to_numpy() for name in ("t", "x", "y", "polarity"))
    return {"t": t, "x": x, "y": y, "p": p > 0}  # -1 and 1


_PACKAGES: dict[str, tuple[Callable[[str], Reader], tuple[str, ...]]] = {
    "expelliarmus": (_expelliarmus, ("dat", "evt2", "evt3")),
    "faery": (_faery, ("dat", "evt2", "evt3", "aedat4")),
    "evt3": (_evt3, ("evt3",)),
    "evlib": (_evlib, ("evt2", "evt3", "aedat4")),
}
"""By package: its reader, and the formats that it reads."""
READERS = tuple(_PACKAGES)


def readers(kind: str) -> dict[str, Reader]:
    """Readers of a format, of the installed packages."""
    return {
        name: make(kind) for name, (make, kinds) in _PACKAGES.items() if kind in kinds and find_spec(name) is not None
    }
