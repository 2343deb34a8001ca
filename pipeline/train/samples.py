"""The pixels and labels that a training reads, on its device. Shapes: N samples of the split, B samples of a batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.data.store import Store
from pipeline.protocol.inputs import on_device

PART = 4
"""A split is copied to a GPU if it takes at most a fourth of the memory that is free there."""
AT_ONCE = 64 << 20
"""Bytes in the host's memory while a split is copied."""


@dataclass(frozen=True, kw_only=True)
class DeviceSamples:
    """The samples of a split."""

    store: Store
    labels: Tensor
    """(N,), on the device."""
    rows: Tensor | None
    """The bytes of each sample, (N, bytes), on the device; None if batches are read from the shards."""

    @classmethod
    def of(cls, store: Store, device: torch.device, room: int) -> "DeviceSamples":
        """Copies the pixels to the device if they take at most `room` bytes. Raises InputError."""
        fits = bool(room) and len(store) * bytes_of_sample(store) <= room
        labels = on_device(store.labels, device)
        return cls(store=store, labels=labels, rows=copied(store, device) if fits else None)

    def read(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Pixels (B, *sample_shape), which are on the CPU if the split is not copied, and labels (B,).

        Nothing waits for a copied split. Raises InputError.
        """
        index = on_device(indices, self.labels.device)
        labels = self.labels.index_select(0, index)
        if self.rows is None:
            return torch.from_numpy(self.store.read(indices)), labels
        pixels = self.rows.index_select(0, index).view(getattr(torch, self.store.dtype.name))
        return pixels.view(len(indices), *self.store.sample_shape), labels


def room_on(device: torch.device) -> int:
    """Bytes that a copy of a split may take there; 0 on a CPU, which reads the memory-mapped shards."""
    return torch.cuda.mem_get_info(device)[0] // PART if device.type == "cuda" else 0


def bytes_of_sample(store: Store) -> int:
    return int(np.prod(store.sample_shape)) * store.dtype.itemsize


def copied(store: Store, device: torch.device) -> Tensor:
    """The bytes of each sample, (N, bytes), on the device. Raises InputError."""
    rows = torch.empty(len(store), bytes_of_sample(store), dtype=torch.uint8, device=device)
    some = max(1, AT_ONCE // bytes_of_sample(store))
    for start in range(0, len(store), some):
        indices = np.arange(start, min(start + some, len(store)))
        pixels = store.read(indices).astype(store.dtype, copy=False).reshape(len(indices), -1)
        rows[start : start + some].copy_(torch.from_numpy(pixels.view(np.uint8)))
    return rows
