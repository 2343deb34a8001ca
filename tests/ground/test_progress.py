"""Progress on a terminal, in a log, and without Unicode and cursor control."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from rich.console import Console

from pipeline.ground import progress as displays
from pipeline.ground.paths import ROOT
from pipeline.ground.progress import line_printer, progress

BOTH = """
from pipeline.ground.progress import progress, line_printer
with progress("copy", total=4, unit="files") as bar:
    bar.update(4)
with line_printer(lambda line: (line, line.startswith("part"))) as say:
    for line in ("part 1", "whole 1"):
        say(line)
"""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A terminal of 40 columns that has ASCII alone; gives the lines on it."""
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    console = Console(file=file, width=40, force_terminal=True, color_system=None, legacy_windows=False)
    monkeypatch.setattr(displays, "terminal", lambda: console)
    return lambda: lines_on_screen(written.getvalue().decode())


def lines_on_screen(written: str) -> list[str]:
    """What stays of text that returns to the begin of a line, goes up a line, and erases lines."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9?]*[a-zA-Z]|[\r\n]|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part[0] not in "\r\x1b":
            lines[row] += part
    return [line.rstrip() for line in lines if line.strip()]


def test_a_log_gets_a_line_every_five_seconds_and_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parts a second: 8 parts are left after 4."""
    now = 100.0
    monkeypatch.setattr(displays.time, "monotonic", lambda: now)
    with progress("digits", total=1000, unit="recordings", initial=980) as bar:
        bar.display.get_time = lambda: now
        for _ in range(6):
            now += 1.0
            bar.update(2)
    assert capsys.readouterr().err.splitlines() == [
        "digits: 99% of 1,000 recordings  2.0 recordings/s  left 0:00:05",
        "digits: 99% of 1,000 recordings  2.0 recordings/s  left 0:00:04",
    ]


def test_bytes_are_counted_where_the_end_is_unknown_and_a_failure_shows_where_it_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with suppress(ValueError), progress("a.zip", total=None, unit="B") as bar:
        bar.update(12_300_000)
        raise ValueError("cut off")
    assert capsys.readouterr().err == "a.zip: 12.3 MB\n"


def test_a_terminal_without_unicode_shows_a_bar(screen: Callable[[], list[str]]) -> None:
    with progress("evaluate", total=10, unit="samples") as bar:
        bar.update(5)
    assert screen() == ["evaluate ------        50% of 10 samples"]


def test_a_terminal_replaces_a_line_that_passes_and_wraps_none(screen: Callable[[], list[str]]) -> None:
    seen = []
    with line_printer(lambda line: (line, line.startswith("part"))) as say:
        for line in ("part 1", "part 2" + "." * 80, "whole", "part 3"):
            say(line)
            seen.append(screen())
    assert seen == [["part 1"], ["part 2" + "." * 34], ["whole"], ["whole", "part 3"]]
    assert screen() == ["whole"]


@pytest.mark.parametrize(("kind", "live"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_moves_no_cursor_gets_lines(kind: str, live: bool) -> None:
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": kind}
    command = [sys.executable, "-c", BOTH]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert ("\x1b[" in said) == live
    assert "100% of 4 files" in said
    assert "whole 1" in said
