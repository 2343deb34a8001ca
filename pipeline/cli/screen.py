"""Progress of concurrent runs: a table on a terminal, lines in a log."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.ground.progress import LOG_SECONDS, terminal

RunState = Literal["running", "failed", "waiting", "done"]
STATES: tuple[RunState, ...] = ("running", "failed", "waiting", "done")
"""In the order in which the screen shows them."""
Show = Callable[[Sequence["ScreenRow"]], None]


@dataclass(frozen=True, kw_only=True)
class ScreenRow:
    """The values of a run that the screen shows."""

    name: str
    state: RunState
    seconds: float
    """Seconds since the run began."""
    last: str
    """The last line of its log; of a failed run, the error."""

    @property
    def time(self) -> str:
        """The time as 0:02:03; empty before the run begins."""
        return "" if self.state == "waiting" else str(timedelta(seconds=round(self.seconds)))

    def __str__(self) -> str:
        return f"{self.name}  {self.state}  {self.time}  {self.last}"


@contextmanager
def screen() -> Iterator[Show]:
    """Yields a function that shows the current state of the runs."""
    console = terminal()
    if console is None:
        yield Lines()
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda rows: live.update(runs_table(rows, console.height), refresh=True)


def counts(rows: Sequence[ScreenRow]) -> str:
    """Number of runs by state, for instance: 2 running, 1 failed, 3 waiting, 4 done."""
    return ", ".join(f"{sum(row.state == state for row in rows)} {state}" for state in STATES)


def runs_table(rows: Sequence[ScreenRow], height: int) -> Table:
    """The table, cut to a terminal of `height` lines, in the order of STATES."""
    shown = Table(box=box.SIMPLE, caption=counts(rows), caption_justify="left", expand=True)
    shown.add_column("run", no_wrap=True, overflow="crop")  # an ellipsis is not ASCII
    shown.add_column("state", no_wrap=True, overflow="crop")
    shown.add_column("time", justify="right", no_wrap=True, overflow="crop")
    shown.add_column("last line of its log", no_wrap=True, overflow="crop", ratio=1)
    for row in sorted(rows, key=lambda row: STATES.index(row.state))[: max(1, height - 7)]:
        shown.add_row(row.name, row.state, row.time, Text(row.last))  # Text: rich must not interpret markup in it
    return shown


class Lines:
    """Prints a line when a run's state changes, and every LOG_SECONDS for each that is running."""

    def __init__(self) -> None:
        self.said: dict[str, tuple[RunState, float]] = {}

    def __call__(self, rows: Sequence[ScreenRow]) -> None:
        now = time.monotonic()
        for row in rows:
            state, when = self.said.get(row.name, ("waiting", now))
            if row.state != state or (state == "running" and now - when >= LOG_SECONDS):
                print(row, flush=True)
                when = now
            self.said[row.name] = (row.state, when)
