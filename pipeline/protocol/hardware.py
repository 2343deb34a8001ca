"""What computes: the same name, the same bits; and what helps it."""

import ctypes
import platform
from pathlib import Path

import torch

from models.precision import computed_as
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PARAMS


def describe(device: torch.device) -> str:
    """The processor as far as it decides on the order of additions, and torch's version.

    Libraries choose their kernels by instruction set and by model, so two machines of one name give the same bits and
    two others need not.
    """
    return f"{_name(device)}, torch {torch.__version__}"


def computed_by(device: torch.device, precision: str) -> str:
    """As `describe`, and what convolutions compute in: on a GPU, and for tf32, which a CPU computes in float32.

    Older records do not say it; there, float32 convolutions on a GPU computed in TF32.
    """
    said = device.type == "cuda" or precision == "tf32"
    convolutions = f", convolutions in {computed_as(precision, device)}" if said else ""
    return f"{_name(device)}{convolutions}, torch {torch.__version__}"


def device_of(gpus: int) -> torch.device:
    """What a worker with so many GPUs computes on in this process. Raises InputError if there is no GPU."""
    if gpus and not torch.cuda.is_available():
        raise InputError(f"{PARAMS}: cluster.gpus_per_worker {gpus}: torch finds no GPU on this machine; set it to 0")
    return torch.device("cuda" if gpus else "cpu")


def note(path: Path, device: torch.device, precision: str) -> None:
    """Adds this worker's processor to those that computed a training, a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(computed_by(device, precision) + "\n")


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()


def _processor() -> str:
    facts = dict.fromkeys(("vendor_id", "cpu family", "model"), "?")
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    for line in reversed(lines):
        key, _, value = line.partition(":")
        if key.strip() in facts:
            facts[key.strip()] = value.strip()
    described = f"{facts['vendor_id']} family {facts['cpu family']} model {facts['model']}"
    return f"{platform.machine()} {described} {torch.backends.cpu.get_cpu_capability()}"


def keep_memory() -> None:
    """Tells glibc to keep freed memory for the next step: activations are otherwise returned to the system and faulted
    in again page by page, a tenth of a step of S-ResNet38. Without glibc nothing happens. Nor does torch fill what will
    be written anyway, as it would under deterministic algorithms."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    no_mapping, no_trimming = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for option in (no_mapping, no_trimming):
        if mallopt is not None:
            mallopt(*option)
