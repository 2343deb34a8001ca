"""Output of a running training: lines in its log, and metrics.jsonl beside it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.train.progress import ProgressReport, on_terminal
from pipeline.train.scalars import Scalars, summary_writer


class Journal:
    """Writes a training's log; it runs on the driver's machine."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.scalars = Scalars(log.parent)

    def add(self, message: str | ProgressReport) -> None:
        """Adds a line to the log, and the numbers of a report to metrics.jsonl and TensorBoard's events beside it."""
        summary_writer()  # the first line comes before the first step, which waits for no import
        now = datetime.now(UTC)
        add_line(self.log, f"{now:%H:%M:%S}  {message}")
        if isinstance(message, ProgressReport):
            numbers = {"time": now.isoformat(timespec="milliseconds"), **asdict(message)}
            add_line(self.log.with_name("metrics.jsonl"), json.dumps(numbers))
            self.scalars.add(message)


@dataclass(frozen=True, kw_only=True)
class RemoteJournal:
    """Sends messages to a journal on another machine, without waiting."""

    journal: Any
    """Ray actor handle of a Journal."""

    def __call__(self, message: str | ProgressReport) -> None:
        self.journal.add.remote(message)


def add_line(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


@contextmanager
def followed_log(log: Path) -> Iterator[None]:
    """Within the block, prints the lines that are added to the log."""
    from pipeline.ground.progress import line_printer  # only the driver needs it

    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    done = threading.Event()
    with log.open(encoding="utf-8") as file, line_printer(on_terminal) as say:
        file.seek(0, 2)

        def follow() -> None:
            rest = ""
            while True:
                last = done.wait(0.5)
                *lines, rest = (rest + file.read()).split("\n")
                for line in lines:
                    say(line)
                if last:
                    return

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
