"""Which implementation of the passes computes on which device."""

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
"""Module of this folder by torch's name of a device; other devices take the reference."""
MEMORY_FORMAT = torch.channels_last
"""Of all activations: convolutions run at up to twice the speed, and a pixel's channels lie side by side for the
passes. Measured on CPUs with AVX-512 (benchmarks/train_step.py); on GPUs bfloat16 convolutions want it too."""

_asked: ContextVar[str | None] = ContextVar("implementation", default=None)


@contextlib.contextmanager
def implementation(name: str) -> Iterator[None]:
    """Within it, networks compute with `reference`, `cpu` or `cuda`, whatever the device."""
    token = _asked.set(name)
    try:
        yield
    finally:
        _asked.reset(token)


def asked() -> AbstractContextManager[None]:
    """What was asked for here, for a computation that comes later or in another thread, as backward does on a GPU."""
    name = _asked.get()
    return contextlib.nullcontext() if name is None else implementation(name)


def chosen(values: Tensor, surrogate: str | None = None) -> ModuleType:
    """The module whose passes compute these values."""
    return _module(_asked.get() or IMPLEMENTATIONS.get(values.device.type, "reference"), surrogate)


@functools.cache
def _module(name: str, surrogate: str | None) -> ModuleType:
    """Falls back to the reference, with one warning, where the module cannot be loaded or has no such surrogate."""
    reference = importlib.import_module("models.kernels.reference")
    try:
        module = importlib.import_module(f"models.kernels.{name}")
    except ImportError as error:
        warnings.warn(f"kernels for {name} are missing ({error}); the slower reference computes", stacklevel=2)
        return reference
    if surrogate is None or surrogate in module.SURROGATES:
        return module
    warnings.warn(f"kernels for {name} have no surrogate {surrogate}; the slower reference computes", stacklevel=2)
    return reference
