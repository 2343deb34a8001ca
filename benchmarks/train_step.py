"""Time of a training step on a CPU: models.sresnet against the same network computed step by step.

python -m benchmarks.train_step

Both forms take turns in pairs, A B B A, so that a machine that slows down or is shared slows both. Processes beside it
still change the ratio, since the forms differ in how much memory and how many threads they use: the load is recorded.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import WAIT_POLICY, positive
from benchmarks.step_by_step import StepByStep
from models.config import NetworkConfig
from models.sresnet import SResNet
from pipeline.files import write_whole
from pipeline.paths import RESULTS
from pipeline.train.hardware import describe

INPUT_SHAPE, CLASSES = (3, 32, 32), 10  # CIFAR-10
FORMS = ("through_time", "step_by_step")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result."""
    settings = parse(arguments)
    load = os.getloadavg()[0]
    torch.set_num_threads(settings.threads)
    pairs = measure(training_steps(settings), settings.pairs)
    ratios = [ratio_of(pair) for pair in pairs]
    ratio = {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
    print("ratio {median:.2f} ({low:.2f} to {high:.2f})".format(**ratio) + f", {len(pairs)} pairs, load {load:.1f}")
    result = {"ratio": ratio, "pairs": pairs} | circumstances(pairs, settings, load)
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description="Times one training step (forward, cross-entropy, backward, SGD) of the network as it is trained "
        "here against the same network computed one time step after another.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--blocks", type=positive, default=6, help="n; the network has 6n + 2 layers")
    parser.add_argument("--width", type=positive, default=32, help="filters of the first stage")
    parser.add_argument("--time-steps", type=positive, default=50, help="T")
    parser.add_argument("--batch", type=positive, default=2, help="images of a step")
    parser.add_argument("--threads", type=positive, default=2, help="threads of torch")
    parser.add_argument("--pairs", type=positive, default=5, help="measurements of each form, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-train.json", help="file of the result")
    return parser.parse_args(arguments)


def training_steps(settings: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """One training step of each form, on the same weights, images and labels."""
    config = NetworkConfig(
        blocks=settings.blocks,
        width=settings.width,
        time_steps=settings.time_steps,
        leak=0.8744,
        normalization="bntt",
        shortcut="spike-add",
        surrogate="triangle",
        reset="subtract",
        encoding="direct",
        readout="mean-voltage",
    )
    model = SResNet(config, input_shape=INPUT_SHAPE, classes=CLASSES, frames=False)
    generator = torch.Generator().manual_seed(0)
    model.reset_parameters(generator)
    images = torch.randn(settings.batch, *INPUT_SHAPE, generator=generator)
    labels = torch.randint(CLASSES, (settings.batch,), generator=generator)
    networks: tuple[nn.Module, nn.Module] = (model, StepByStep(model))
    return {form: training_step(network, images, labels) for form, network in zip(FORMS, networks, strict=True)}


def training_step(network: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.026844, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def measure(steps: dict[str, Callable[[], None]], pairs: int) -> list[dict[str, float]]:
    """Seconds of each form for each pair; the forms change their order from pair to pair."""
    for form, step in steps.items():
        print(f"warm-up, {form}: {seconds(step):.2f} s", flush=True)
    measured: list[dict[str, float]] = []
    for index in range(pairs):
        order = FORMS if index % 2 == 0 else FORMS[::-1]
        pair = {form: seconds(steps[form]) for form in order}
        measured.append(pair)
        taken = ", ".join(f"{form} {pair[form]:.2f} s" for form in FORMS)
        print(f"pair {index + 1} of {pairs}: {taken}, ratio {ratio_of(pair):.2f}", flush=True)
    return measured


def seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def ratio_of(pair: dict[str, float]) -> float:
    """How many times longer the step-by-step form takes."""
    return pair["step_by_step"] / pair["through_time"]


def circumstances(pairs: list[dict[str, float]], settings: argparse.Namespace, load: float) -> dict[str, object]:
    """Median seconds of each form, and what they depend on: machine, load and settings."""
    return {
        "median_seconds": {form: statistics.median(pair[form] for pair in pairs) for form in FORMS},
        "machine": describe(torch.device("cpu")),
        "cpus": os.cpu_count(),
        "load_before": load,
        "wait_policy": os.environ[WAIT_POLICY],
        "torch": str(torch.__version__),
        "settings": {name: value for name, value in vars(settings).items() if name != "output"},
    }


if __name__ == "__main__":
    main()
