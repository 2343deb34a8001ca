"""Time and memory of S-ResNet38's steps, compared with the same network step by step and with its convolutions alone.

python -m benchmarks.train_step

The implementations take turns, in another order each round, so that a slowdown of the machine affects all of them.
Other processes still change the ratios, because the implementations differ in memory access and threads: the load is
recorded.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from benchmarks import WAIT_POLICY, positive
from benchmarks.forms import FORMS, S_RESNET38, Case, Form, step_of
from benchmarks.memory import peak_bytes
from benchmarks.profile import profile_of
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.protocol.hardware import describe, keep_memory

BFLOAT16 = replace(S_RESNET38, precision="bfloat16")
SMALL = replace(S_RESNET38, blocks=1, width=8, time_steps=4)
"""The network of profile quick."""
CASES: dict[str, Case] = {
    "float32, T = 50, batch 2": Case(network=S_RESNET38, batch=2),
    "float32, T = 10, batch 8": Case(network=replace(S_RESNET38, time_steps=10), batch=8),
    "bfloat16, T = 50, batch 2": Case(network=BFLOAT16, batch=2),
    "inference, float32, T = 50, batch 2": Case(network=S_RESNET38, batch=2, inference=True),
    "profile quick's network (n = 1, 8 filters), float32, T = 4, batch 20": Case(network=SMALL, batch=20),
}
MEMORY: dict[str, Case] = {
    f"float32, T = 50, batch 2, recompute {what}": Case(network=S_RESNET38, batch=2, recompute=what)
    for what in ("spikes", "blocks")
}
Ratio = dict[str, float]
Name = TypeVar("Name", bound=str)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result."""
    settings = parse(arguments)
    load = os.getloadavg()[0]
    torch.set_num_threads(settings.threads)
    keep_memory()
    rows = {name: row(name, case, settings) for name, case in CASES.items()}
    saved = {name: row(name, case, settings) for name, case in MEMORY.items()}
    result = {"rows": rows, "recompute": saved} | circumstances(settings, load)
    others = json.loads(settings.output.read_bytes()) if settings.output.exists() else {}
    write_whole(settings.output, json.dumps(others | {processor(): result}, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description="Times steps of S-ResNet38 as it is trained here against the same network computed one time step "
        "after another, and against its convolutions alone.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--threads", type=positive, default=2, help="threads of torch")
    parser.add_argument("--rounds", type=positive, default=5, help="measurements of each form, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-train.json", help="file of the result")
    return parser.parse_args(arguments)


def row(name: str, case: Case, settings: argparse.Namespace) -> dict[str, Any]:
    """Seconds, ratios and memory of a case."""
    print(f"{name}: ", end="", flush=True)
    seconds = measure({form: step_of(case, form) for form in FORMS}, settings.rounds, case.device)
    faster, above_floor = (
        ratios(seconds, "step-by-step", "through-time"),
        ratios(seconds, "through-time", "convolutions"),
    )
    forms: tuple[Form, ...] = ("through-time", "step-by-step")
    memory = {} if case.inference else {form: peak_bytes(case, form, settings.threads, processes=3) for form in forms}
    shown = "{median:.2f} ({low:.2f} to {high:.2f})"
    print(f"{shown.format(**faster)} times step by step, {shown.format(**above_floor)} of the convolutions", end="")
    print(f", memory {memory['through-time'] / memory['step-by-step']:.2f}" if memory else "", flush=True)
    return {
        "case": asdict(case),
        "faster_than_step_by_step": faster,
        "against_convolutions": above_floor,
        "median_seconds": {form: statistics.median(taken) for form, taken in seconds.items()},
        "seconds": seconds,
        "peak_bytes": memory,
        "profile": profile_of(case),
    }


def measure(steps: dict[Name, Callable[[], None]], rounds: int, device: str = "cpu") -> dict[Name, list[float]]:
    """Seconds of each form in each round; the order rotates from round to round."""
    for step in steps.values():
        duration(step, device)
    taken: dict[Name, list[float]] = {form: [] for form in steps}
    forms = list(steps)
    for index in range(rounds):
        turn = index % len(forms)
        for form in forms[turn:] + forms[:turn]:
            taken[form].append(duration(steps[form], device))
    return taken


def duration(step: Callable[[], None], device: str) -> float:
    """Seconds of a step; on a GPU until it has finished."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ratios(seconds: dict[Name, list[float]], above: Name, below: Name) -> Ratio:
    """Median and range of the rounds' ratios."""
    each = [a / b for a, b in zip(seconds[above], seconds[below], strict=True)]
    return {"median": statistics.median(each), "low": min(each), "high": max(each)}


def processor() -> str:
    """The processor, by which the result file keeps what was measured on others."""
    return describe(torch.device("cpu")).partition(", torch")[0]


def circumstances(settings: argparse.Namespace, load: float) -> dict[str, object]:
    """Settings and versions that the figures depend on."""
    return {
        "machine": describe(torch.device("cpu")),
        "cpus": os.cpu_count(),
        "load_before": load,
        "wait_policy": os.environ[WAIT_POLICY],
        "threads": settings.threads,
        "rounds": settings.rounds,
    }


if __name__ == "__main__":
    main()
