"""A training and its steps on a GPU: python -m benchmarks.gpu

Adds what it measures to results/bench-gpu.json, and writes the tables of docs/gpu.md from that file. Without a GPU it
says so and measures nothing. The training is that of profile gpu, with data and augmentation, on random pixels of
CIFAR-10's shape.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import positive
from benchmarks.forms import FORMS, S_RESNET38, Case, step_of
from benchmarks.gpu_tables import COMMAND, sections
from benchmarks.marked import insert
from benchmarks.train_step import measure, ratios
from pipeline.cli.split_sizes import SplitSize
from pipeline.cli.step_time import job_on_noise, write_noise
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json, write_whole
from pipeline.ground.paths import PROFILES, RESULTS, ROOT
from pipeline.protocol.hardware import keep_memory
from pipeline.protocol.params import load_params
from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.state import State
from pipeline.train.step import step
from pipeline.train.training import Training, begin

GPU = torch.device("cuda")
EXPERIMENTS = ("low-latency", "authors-setting")
"""Of profile gpu: T = 5 with batch 128, and T = 50 with batch 21."""
CIFAR10 = SplitSize(50_000, (3, 32, 32), 10)
STEPS = 40
"""Steps of a measurement, without waiting for the GPU between them."""
BARE = Case(network=replace(S_RESNET38, precision="bfloat16"), batch=21, device="cuda")
CONVOLUTIONS = ("conv", "gemm", "xmma", "cutlass", "fprop", "dgrad", "wgrad")
"""Parts of the names of cuDNN's and cuBLAS's kernels."""
PASSES = ("moments", "fire", "fire_backward", "combine")
"""Names of our kernels (models/kernels/triton_kernels.py)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures if there is a GPU, and writes the tables. Raises InputError."""
    settings = parse(arguments)
    result = read_json(settings.output, "the repository has it")
    if torch.cuda.is_available():
        result = with_run(result, measured(settings.rounds))
        write_whole(settings.output, json.dumps(result, indent=1).encode() + b"\n")
        print(f"written to {settings.output} and {settings.page}")
    else:
        print(f"unmeasured: torch finds no GPU on this machine; {settings.page} is what {settings.output} says")
    insert(settings.page, sections(result))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="A training and its steps on a GPU.")
    parser.add_argument("--rounds", type=positive, default=5, help="measurements of each, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-gpu.json", help="file of the results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "gpu.md", help="document with the tables")
    return parser.parse_args(arguments)


def with_run(result: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """The results with this run instead of an earlier one of the command on such a GPU."""
    others = [one for one in result["runs"] if (one["gpu"], one["by"]) != (run["gpu"], run["by"])]
    return result | {"runs": [*others, run]}


def measured(rounds: int) -> dict[str, Any]:
    """All measurements on this GPU."""
    import triton  # type: ignore[import-untyped,import-not-found,unused-ignore] # comes with torch for CUDA only

    keep_memory()
    torch.use_deterministic_algorithms(True)
    rows = [row for name in EXPERIMENTS for row in in_training(name, rounds)]
    return {
        "gpu": torch.cuda.get_device_name(GPU),
        "software": f"torch {torch.__version__}, Triton {triton.__version__}",
        "date": datetime.now(UTC).date().isoformat(),
        "by": COMMAND,
        "training": rows,
        "steps": bare_steps_of_forms(rounds),
    }


def in_training(name: str, rounds: int) -> list[dict[str, Any]]:
    """Steps a second of an experiment of profile gpu, with kernels called and recorded, in turns."""
    experiment = load_params(PROFILES / "gpu.yaml").experiments[name]
    with tempfile.TemporaryDirectory() as folder:
        write_noise(Path(folder), CIFAR10, STEPS * experiment.training.batch_size)
        job = job_on_noise(Path(folder), experiment.model, experiment.training, "nothing")
        trainings = {kernels: begin(job, Alone(), GPU, State()) for kernels in ("called", "recorded")}
        trainings["called"].__dict__.update(replay=None, updates=None)
        forms = {kernels: steps_of(training) for kernels, training in trainings.items()}
        seconds = measure(forms, rounds, "cuda")
        busy = {kernels: gpu_seconds(form) for kernels, form in forms.items()}
    return [training_row(name, kernels, taken, busy[kernels]) for kernels, taken in seconds.items()]


def training_row(name: str, kernels: str, taken: list[float], busy: dict[str, float]) -> dict[str, Any]:
    speeds = [STEPS / seconds for seconds in taken]
    speed = {"median": statistics.median(speeds), "low": min(speeds), "high": max(speeds)}
    print(f"{name}, kernels {kernels}: {speed['median']:.1f} steps a second; the GPU works {busy}", flush=True)
    about = f"{len(taken)} rounds of {STEPS} steps"
    return {"experiment": name, "kernels": kernels, "steps_per_second": speed, "gpu_seconds": busy, "measured": about}


def steps_of(training: Training) -> Callable[[], None]:
    """A function that does the next steps of a training."""
    batches = cycle(epoch_batches(training.samples, training.job.training, training.job.seed, 0))

    def some() -> None:
        for batch in islice(batches, STEPS):
            step(training, batch)

    return some


def gpu_seconds(some: Callable[[], None]) -> dict[str, float]:
    """Seconds in which the GPU works, of one of the steps, by the kind of kernel."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        some()
        torch.cuda.synchronize()
    seconds: Counter[str] = Counter()
    for event in profiler.key_averages():
        seconds[kind_of_kernel(event.key)] += event.self_device_time_total / 1e6 / STEPS
    return dict(seconds)


def kind_of_kernel(name: str) -> str:
    """The category of a kernel's name in torch's profile."""
    if name in PASSES:
        return "passes"
    return "convolutions" if any(part in name.lower() for part in CONVOLUTIONS) else "rest"


def bare_steps_of_forms(rounds: int) -> list[dict[str, Any]]:
    """Seconds of a step in three forms, in turns; without data, augmentation and recordings."""
    torch.use_deterministic_algorithms(False)  # as in the rows of the first run
    seconds = measure({form: step_of(BARE, form) for form in FORMS}, rounds, "cuda")
    times: dict[str, Any] = {form: ratios(seconds, form, "through-time") for form in FORMS[1:]}
    return [
        {
            "case": f"T = {BARE.network.time_steps}, batch {BARE.batch}" + ", bfloat16" * (form != "step-by-step"),
            "form": form,
            "seconds": statistics.median(taken),
            "gpu_seconds": None,
            "times_ours": times.get(form),
        }
        for form, taken in seconds.items()
    ]


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
