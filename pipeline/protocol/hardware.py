"""Descriptions of processors: equal descriptions imply bit-identical results; and memory settings for speed."""

import ctypes
import platform
from pathlib import Path

import torch

from models.kernels.choice import require_kernels
from models.precision import computed_as
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PARAMS


def describe(device: torch.device) -> str:
    """The processor, as far as it determines the summation order, and torch's version.

    Libraries select kernels by instruction set and CPU model: machines with equal descriptions give identical results
    bit for bit, others may differ.
    """
    return f"{_name(device)}, torch {torch.__version__}"


def computed_by(device: torch.device, precision: str) -> str:
    """As `describe`, with the number format of convolutions on a GPU, and for tf32, which a CPU computes in float32.

    Older records do not contain it; their float32 convolutions on a GPU were computed in TF32.
    """
    said = device.type == "cuda" or precision == "tf32"
    convolutions = f", convolutions in {computed_as(precision, device)}" if said else ""
    return f"{_name(device)}{convolutions}, torch {torch.__version__}"


def device_of(gpus: int) -> torch.device:
    """The device of a worker with this number of GPUs. Raises InputError if torch finds no GPU."""
    if gpus and not torch.cuda.is_available():
        raise InputError(
            f"{PARAMS}: cluster.gpus_per_worker {gpus}: torch finds no GPU on this machine; set it to 0 to use the CPU "
            "(`sresnet plan` then says how long it takes)"
        )
    return torch.device("cuda" if gpus else "cpu")


def note_processor(path: Path, device: torch.device, precision: str) -> None:
    """Appends a line with this worker's processor to the list of those that computed a training."""
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


def check_kernels(device: torch.device) -> None:
    """Raises InputError without the compiled kernels: results would differ in their last bits, and no record say so."""
    try:
        require_kernels(device)
    except ImportError as error:
        raise InputError(
            f"{platform.node()}: the kernels for {device.type} cannot be imported ({error}); without them, results "
            "differ in their last bits: install the packages of requirements.lock"
        ) from None


def keep_memory() -> None:
    """Makes glibc keep freed memory for the next step, and torch leave new tensors uninitialized.

    Otherwise the memory of activations is returned to the system, and page faults take a tenth of a step of
    S-ResNet38; and with deterministic algorithms, torch fills memory that is overwritten anyway. Without glibc, only
    the setting of torch has an effect.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    no_mapping, no_trimming = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for option in (no_mapping, no_trimming):
        if mallopt is not None:
            mallopt(*option)
