"""Profile of a step, and the time that its kernels would take at memory speed."""

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
"""Bytes, many times the size of a cache."""
WARM, STEPS = 2, 3
"""Number of warm-up steps and of profiled steps."""
PASSES = ("NormalizeAndFire", "NormalizeAndFireBackward")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One step on the CPU, the mean over some."""

    convolutions: float
    """Seconds of convolutions with their gradients."""
    passes: float
    """Seconds of our kernels: normalization, neurons and sums."""
    rest: float
    """Seconds: sums of gradients, optimizer, readout, copies of weights, Python."""
    passes_bytes: int
    """Bytes that the kernels read and write at least, if nothing stays in a cache between them."""
    copy_bytes_per_second: float
    """Bytes per second that a memory copy reads and writes with the same threads."""

    def at_memory_speed(self) -> float:
        """Seconds of the kernels if they only read and wrote memory."""
        return self.passes_bytes / self.copy_bytes_per_second


def profile_of(case: Case) -> dict[str, float]:
    """The profile of a through-time step, with the time of its kernels at memory speed."""
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
    """The category of an operation's name in torch's profile."""
    if operation in PASSES:
        return "passes"
    return "convolutions" if "convolution" in operation else "rest"


@torch.no_grad()
def bytes_of_passes(case: Case) -> int:
    """Bytes over all layers: moments reads the currents; fire reads them and the skip and writes its output; backward
    reads gradient and currents and writes; combine reads both and writes."""
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
    """Bytes per second that a copy reads and writes; the best of `times` tries."""
    source = torch.ones(COPIED, dtype=torch.uint8)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(times):
        start = time.perf_counter()
        target.copy_(source)
        best = max(best, 2 * COPIED / (time.perf_counter() - start))
    return best
