"""Chooses the implementation of the kernels for a device."""

import contextlib
import functools
import importlib
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import ModuleType

import torch
from torch import Tensor

IMPLEMENTATIONS = {"cpu": "cpu", "cuda": "cuda"}
"""Module of this folder by torch's device type; other devices use the reference."""
MEMORY_FORMAT = torch.channels_last
"""Memory format of all activations: convolutions run up to twice as fast, and a pixel's channels are contiguous for the
kernels. Measured on CPUs with AVX-512 (benchmarks/train_step.py); bfloat16 convolutions on GPUs prefer it too."""

_asked: ContextVar[str | None] = ContextVar("implementation", default=None)


@contextlib.contextmanager
def implementation(name: str) -> Iterator[None]:
    """Within the block, networks compute with `reference`, `cpu` or `cuda`, whatever the device."""
    token = _asked.set(name)
    try:
        yield
    finally:
        _asked.reset(token)


def current_choice() -> AbstractContextManager[None]:
    """A context that restores the current choice later or in another thread, such as backward's thread on a GPU."""
    name = _asked.get()
    return contextlib.nullcontext() if name is None else implementation(name)


def chosen(values: Tensor, surrogate: str | None = None) -> ModuleType:
    """The kernel module for these values."""
    return _module(_asked.get() or IMPLEMENTATIONS.get(values.device.type, "reference"), surrogate)


def require_kernels(device: torch.device) -> None:
    """Raises ImportError if the kernels of a device cannot be imported: the reference's sums have other bits."""
    if name := IMPLEMENTATIONS.get(device.type):
        importlib.import_module(f".{name}", __package__)


@functools.cache
def _module(name: str, surrogate: str | None) -> ModuleType:
    """The kernel module, or the reference, with one warning, if it cannot be imported or lacks the surrogate."""
    reference = importlib.import_module(".reference", __package__)
    try:
        module = importlib.import_module(f".{name}", __package__)
    except ImportError as error:
        warnings.warn(f"kernels for {name} are missing ({error}); using the slower reference", stacklevel=2)
        return reference
    if surrogate is None or surrogate in module.SURROGATES:
        return module
    warnings.warn(f"kernels for {name} have no surrogate {surrogate}; using the slower reference", stacklevel=2)
    return reference
