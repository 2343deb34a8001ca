"""Runs the authors' code from a checkout that the user supplies. None of it is included here, and it is not modified.

Written against commit c120f8e of github.com/VicenteAlex/Spiking_ResNet. This executes third-party code. It needs, apart
from torch, a GPU, because its forward and its surrogate call `.cuda()`, and torchvision 0.9.1, whose Resize did not
antialias tensors. Within `without_gpu`, `.cuda()` returns the tensor itself, and Resize does not antialias.
Shapes: T time steps, B samples, C channels, H height, W width.
"""

import contextlib
import functools
import hashlib
import importlib.util
import io
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.ground.errors import InputError

COMMIT = "c120f8ed1609c128f089f75477bb9e3b7ba31830"
MODEL_SHA256 = "36aa896a78ccf5a6c7aa862ff99a83a83945785f99c5ed41744c783b2fced525"
"""Digest of that commit's model.py with LF line ends, since git may convert them."""
_CLASSES = ("SResnet", "SResnetNM")


@dataclass(frozen=True, kw_only=True)
class Spikes:
    """Spikes and margins of a layer of neurons, each (T, B, C, H, W)."""

    fired: Tensor
    margin: Tensor
    """|membrane / threshold - 1| before the reset."""


def load_authors_model(folder: Path) -> ModuleType:
    """Their model.py as a module; its imports are looked up in its folder first. Raises InputError."""
    path = folder / "model.py"
    if not path.is_file():
        raise InputError(
            f"{path}: not found; --authors is the folder of a checkout of github.com/VicenteAlex/Spiking_ResNet, "
            f"commit {COMMIT[:7]}"
        )
    spec = importlib.util.spec_from_file_location("authors_model", path)
    assert spec is not None, "a file that ends in .py"
    assert spec.loader is not None, "a file that ends in .py"
    module = importlib.util.module_from_spec(spec)
    try:
        with plain_names(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # for `is` with a number
            spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    if missing := [name for name in _CLASSES if not hasattr(module, name)]:
        raise InputError(f"{path}: has no class {' and no class '.join(missing)}; expected that of {COMMIT[:7]}")
    return module


def digest(folder: Path) -> str:
    """SHA-256 of model.py with LF line ends."""
    return hashlib.sha256((folder / "model.py").read_bytes().replace(b"\r\n", b"\n")).hexdigest()


@contextlib.contextmanager
def plain_names(folder: Path) -> Iterator[None]:
    """Within the block, `import utils` finds the folder's utils.py; modules are removed afterwards, no bytecode is
    kept."""
    names = {path.stem for path in folder.glob("*.py")}
    kept = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = bytecode
        for name in names & sys.modules.keys():
            del sys.modules[name]
        sys.modules.update(kept)


@contextlib.contextmanager
def without_gpu(module: ModuleType) -> Iterator[None]:
    """Within the block, their code runs on the CPU, without printing, and resizes like its version of torchvision."""
    cuda, transforms = torch.Tensor.cuda, getattr(module, "transforms", None)
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
    if transforms is not None:
        module.transforms = SimpleNamespace(  # type: ignore[attr-defined]
            Resize=functools.partial(transforms.Resize, antialias=False)
        )
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        torch.Tensor.cuda = cuda  # type: ignore[method-assign]
        if transforms is not None:
            module.transforms = transforms  # type: ignore[attr-defined]


@contextlib.contextmanager
def recorded_calls(network: nn.Module, layers: int) -> Iterator[list[Spikes]]:
    """Records a forward pass within the block; afterwards the list has the spikes of each layer of neurons.

    Their network calls `spike_fn` with membrane / threshold - 1, for each layer in turn, step by step.
    """
    fire: Any = getattr(network, "spike_fn", None)
    if fire is None:
        raise InputError(f"their {type(network).__name__} has no spike_fn; expected that of commit {COMMIT[:7]}")
    calls: list[tuple[Tensor, Tensor]] = []
    spikes: list[Spikes] = []

    def spike_fn(excess: Tensor) -> Tensor:
        fired: Tensor = fire(excess)
        calls.append((fired.detach() != 0, excess.detach().abs()))
        return fired

    network.spike_fn = spike_fn  # type: ignore[assignment]
    try:
        yield spikes
    finally:
        network.spike_fn = fire
    if not calls or len(calls) % layers:
        raise InputError(f"their {type(network).__name__} called spike_fn {len(calls)} times for {layers} layers")
    for layer in range(layers):
        own = calls[layer::layers]
        spikes.append(
            Spikes(fired=torch.stack([fired for fired, _ in own]), margin=torch.stack([margin for _, margin in own]))
        )
