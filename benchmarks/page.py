"""Size of the report's page for many runs, and the time that a browser takes to open it.

python -m benchmarks.page writes results/bench-page.json. The runs are made up and of the paper's size: 38 layers, 50
time steps, 70 epochs, 10 or 100 classes. A newly started headless Chromium opens the page from disk; the page is open
when every visible chart is drawn. Then a run is opened, which is done when its charts are drawn.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import positive
from benchmarks.many_runs import page_of
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.protocol.hardware import describe

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPENED = "run.querySelectorAll('.chart').length === run.querySelectorAll('.chart svg').length"
CHARTS = f"""() => new Promise((resolve) => {{
  const run = document.querySelector('details.run'), start = performance.now();
  const look = () => ({OPENED} ? resolve(performance.now() - start) : requestAnimationFrame(look));
  run.open = true;
  look();
}})"""


def main(arguments: Sequence[str] | None = None) -> None:
    settings = parse(arguments)
    with TemporaryDirectory() as folder:
        page = page_of(Path(folder), settings.runs)
        result = {"runs": settings.runs, "page_bytes": page.stat().st_size, **measure(page, settings.rounds)}
    result |= {"machine": describe(torch.device("cpu")), "cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    print(f"{result['runs']} runs: {result['page_bytes'] / 1e6:.2f} MB, open in {result['open_seconds']:.2f} s")
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description="The page of many runs.")
    parser.add_argument("--runs", type=positive, default=200)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-page.json")
    return parser.parse_args(arguments)


def chromium() -> str | None:
    """The browser of this machine, if it has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def measure(path: Path, rounds: int) -> dict[str, Any]:
    """Medians (seconds), and every measurement. Raises InputError without a browser."""
    if chromium() is None:
        raise InputError(f"no browser is installed; expected one of {', '.join(NAMES)}")
    found = [opened(path) for _ in range(rounds)]
    names = ("open_seconds", "open_a_run_seconds")
    every = {name: [round(one[name], 3) for one in found] for name in names}
    return {
        **{name: median(values) for name, values in every.items()},
        "each": every,
        "browser": found[0]["browser"],
    }


def opened(path: Path) -> dict[str, Any]:
    """Seconds in a newly started browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        seconds = timed(browser, path)
        version = browser.version
        browser.close()
    return {**seconds, "browser": version}


def timed(browser: Browser, path: Path) -> dict[str, float]:
    page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    open_seconds = float(page.evaluate("document.documentElement.dataset.drawn")) / 1000
    return {"open_seconds": open_seconds, "open_a_run_seconds": page.evaluate(CHARTS) / 1000}


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
