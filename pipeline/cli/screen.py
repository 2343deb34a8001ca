"""Runs that go on side by side: a table on a terminal, lines in a log."""

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
    """A run as the screen shows it."""

    name: str
    state: RunState
    seconds: float
    """Since it began."""
    last: str
    """The last line that it wrote."""

    @property
    def time(self) -> str:
        """As 0:02:03; nothing before it began."""
        return "" if self.state == "waiting" else str(timedelta(seconds=round(self.seconds)))

    def __str__(self) -> str:
        return f"{self.name}  {self.state}  {self.time}  {self.last}"


@contextmanager
def screen() -> Iterator[Show]:
    """Gives a function that shows the runs as they are now."""
    console = terminal()
    if console is None:
        yield Lines()
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda rows: live.update(runs_table(rows, console.height), refresh=True)


def counts(rows: Sequence[ScreenRow]) -> str:
    """For instance: 2 running, 1 failed, 3 waiting, 4 done."""
    return ", ".join(f"{sum(row.state == state for row in rows)} {state}" for state in STATES)


def runs_table(rows: Sequence[ScreenRow], height: int) -> Table:
    """What fits on a terminal of `height` lines, those that run first."""
    shown = Table(box=box.SIMPLE, caption=counts(rows), caption_justify="left", expand=True)
    shown.add_column("run", no_wrap=True, overflow="crop")  # an ellipsis is no ASCII
    shown.add_column("state", no_wrap=True, overflow="crop")
    shown.add_column("time", justify="right", no_wrap=True, overflow="crop")
    shown.add_column("last line of its log", no_wrap=True, overflow="crop", ratio=1)
    for row in sorted(rows, key=lambda row: STATES.index(row.state))[: max(1, height - 7)]:
        shown.add_row(row.name, row.state, row.time, Text(row.last))  # no markup of rich's
    return shown


class Lines:
    """A line when a run's state changes, and every few seconds for each that goes on."""

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
