"""Progress with rate and time left: a bar on a terminal, a line every few seconds in a log."""

import sys
from typing import Any

from tqdm import tqdm

LOG_SECONDS = 5.0


class _Lines:
    """Standard error that gets each state of a bar as a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(description: str, *, total: int | None, unit: str, initial: int = 0) -> "tqdm[Any]":
    """A tqdm bar to be updated by hand. `unit` "B" counts bytes in kB, MB, GB."""
    terminal = sys.stderr.isatty()
    return tqdm(
        desc=description,
        total=total,
        initial=initial,
        unit=unit,
        unit_scale=unit == "B",
        file=None if terminal else _Lines(),
        mininterval=0.1 if terminal else LOG_SECONDS,
        miniters=0 if terminal else 1,
        dynamic_ncols=terminal,
        ncols=None if terminal else 100,
        ascii=not terminal,
    )
