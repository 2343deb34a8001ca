"""Progress output: a live display on a terminal, lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from rich import filesize
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

TERMINAL_SECONDS, LOG_SECONDS = 0.1, 5.0
"""Interval between two updates (seconds)."""


def terminal() -> Console | None:
    """The console for a live display; None for a log, a pipe, or a terminal without cursor control.

    A live display captures stdout and stderr, so both must be the terminal.
    """
    console = Console()
    return console if sys.stdout.isatty() and sys.stderr.isatty() and console.is_interactive else None


class ProgressBar:
    """A progress bar with rate and time left; without a terminal, a line every few seconds."""

    def __init__(self, description: str, total: int | None, unit: str, initial: int) -> None:
        console = terminal()
        whole = Column(no_wrap=True, overflow="crop")  # an ellipsis would not be ASCII
        name = TextColumn("{task.description}", markup=False, table_column=whole)
        columns = name, BarColumn(bar_width=None), _Amounts(whole)
        self.display = Progress(*columns, console=console, auto_refresh=False, disable=console is None)
        self.task = self.display.add_task(description, total=total, completed=initial, unit=unit)
        self.every_seconds = LOG_SECONDS if console is None else TERMINAL_SECONDS
        self.shown = time.monotonic()

    def update(self, amount: int = 1) -> None:
        """Adds to the amount done."""
        self.display.advance(self.task, amount)
        if time.monotonic() - self.shown >= self.every_seconds:
            self.show()

    def show(self) -> None:
        """Shows the current state."""
        self.shown = time.monotonic()
        if self.display.disable:
            (task,) = self.display.tasks
            print(f"{task.description}: {amounts(task)}", file=sys.stderr, flush=True)
        self.display.refresh()


@contextmanager
def progress(description: str, *, total: int | None, unit: str, initial: int = 0) -> Iterator[ProgressBar]:
    """Yields a bar; call its `update`. `unit` "B" shows bytes as kB, MB, GB."""
    bar = ProgressBar(description, total, unit, initial)
    with bar.display:
        try:
            yield bar
        finally:
            bar.show()


class _Amounts(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(amounts(task))


def amounts(task: Task) -> str:
    """For instance: 45% of 1,797 samples  80.5 samples/s  left 0:00:13."""
    number, speed, left = partial(_number, task.fields["unit"]), task.finished_speed or task.speed, task.time_remaining
    done = number(task.completed) if task.total is None else f"{task.percentage:.0f}% of {number(task.total)}"
    rate = f"{number(speed)}/s" if speed else ""
    return "  ".join(filter(None, [done, rate, f"left {timedelta(seconds=left)}" if left else ""]))


def _number(unit: str, value: float) -> str:
    return filesize.decimal(int(value)) if unit == "B" else f"{round(value, 1):,} {unit}"


@contextmanager
def line_printer(on_terminal: Callable[[str], tuple[str, bool]]) -> Iterator[Callable[[str], None]]:
    """Yields a function that prints a line.

    `on_terminal` returns the line in the form for a terminal, and whether the next line overwrites it there.
    """
    console = terminal()
    if console is None:
        yield partial(print, flush=True)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def say(line: str) -> None:
            text, transient = on_terminal(line)
            live.update(Text(text if transient else "", no_wrap=True, overflow="crop"), refresh=True)
            if not transient:
                console.print(Text(text))

        yield say
