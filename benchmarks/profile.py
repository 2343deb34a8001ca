"""Where the time of a step goes, and what the memory alone would take for its passes."""

import time
from collections import Counter
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.autograd.profiler import profile

from benchmarks.forms import CLASSES, INPUT_SHAPE, Case, step_of
from models.residual import Layer
from models.sresnet import SResNet

COPIED = 256 << 20
"""Bytes, many times what a cache holds."""
WARM, STEPS = 2, 3
"""Steps before and under the profiler."""
PASSES = ("NormalizeAndFire", "NormalizeAndFireBackward")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One step on the CPU, a mean of some."""

    convolutions: float
    """Seconds, with their gradients."""
    passes: float
    """Seconds of normalization, neurons and sums."""
    rest: float
    """Seconds: sums of gradients, optimizer, readout, copies of weights, Python."""
    passes_bytes: int
    """What the passes read and write at least, if nothing stays in a cache from one to the next."""
    copy_bytes_per_second: float
    """Read and written by a copy of memory with the same threads."""

    def at_memory_speed(self) -> float:
        """Seconds of the passes if they did nothing but read and write."""
        return self.passes_bytes / self.copy_bytes_per_second


def profile_of(case: Case) -> dict[str, float]:
    """The profile of a step as it is trained here, with what the passes would take at the speed of the memory."""
    step = step_of(case, "through-time")
    for _ in range(WARM):
        step()
    with profile(use_kineto=False) as profiler:
        for _ in range(STEPS):
            step()
    seconds: Counter[str] = Counter()
    for event in profiler.key_averages():
        seconds[kind(event.key)] += event.self_cpu_time_total / 1e6 / STEPS
    found = Profile(
        convolutions=seconds["convolutions"],
        passes=seconds["passes"],
        rest=seconds["rest"],
        passes_bytes=bytes_of_passes(case),
        copy_bytes_per_second=copy_speed(),
    )
    return asdict(found) | {"passes_at_memory_speed": found.at_memory_speed()}


def kind(operation: str) -> str:
    """Of a name in torch's profile."""
    if operation in PASSES:
        return "passes"
    return "convolutions" if "convolution" in operation else "rest"


@torch.no_grad()
def bytes_of_passes(case: Case) -> int:
    """Over all layers: moments read the currents; fire reads them and the skip and writes; backward reads gradient
    and currents and writes; combine reads both and writes."""
    model = SResNet(case.network, input_shape=INPUT_SHAPE, classes=CLASSES, frames=False)
    total = 0

    def count(layer: Layer, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        every, stored = output.numel(), output[: len(given[0])].numel()
        values = stored + every + (every if len(given) > 1 else 0)
        if not case.inference:
            values += stored + (2 * every + stored) + (every + 2 * stored)
        total += values * model.activations().itemsize

    for layer in model.modules():
        if isinstance(layer, Layer):
            layer.register_forward_hook(count)
    model(torch.zeros(case.batch, *INPUT_SHAPE))
    return total


def copy_speed(times: int = 5) -> float:
    """Bytes a second that a copy reads and writes; the best of some."""
    source = torch.ones(COPIED, dtype=torch.uint8)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(times):
        start = time.perf_counter()
        target.copy_(source)
        best = max(best, 2 * COPIED / (time.perf_counter() - start))
    return best
