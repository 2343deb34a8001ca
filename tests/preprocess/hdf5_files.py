"""HDF5 files of events in the layouts of DSEC, M3ED and Metavision, written with h5py."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

from tests.preprocess.aedat4 import Event

TYPES = {"t": "u4", "x": "u2", "y": "u2", "p": "u1"}
METAVISION = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])


def hdf5(fill: Callable[[Any], object], **options: Any) -> bytes:
    with io.BytesIO() as memory:
        with h5py.File(memory, "w", **options) as file:
            fill(file)
        return memory.getvalue()


def add_columns(group: Any, events: list[Event], types: Mapping[str, str] = TYPES, **options: Any) -> None:
    """Datasets t, x, y and p."""
    for place, (name, kind) in enumerate(types.items()):
        group.create_dataset(name, data=np.array([event[place] for event in events], np.int64), dtype=kind, **options)


def dsec(events: list[Event], *, offset: int | None = None, **options: Any) -> bytes:
    """events/{t,x,y,p}, with t_offset and ms_to_idx beside the group."""

    def fill(file: Any) -> None:
        add_columns(file.create_group("events"), events, **options)
        file["ms_to_idx"] = np.zeros(3, "u8")
        if offset is not None:
            file["t_offset"] = np.int64(offset)

    return hdf5(fill)


def m3ed(**cameras: list[Event]) -> bytes:
    """prophesee/<camera>/{x,y,t,p} with the resolution 128 x 96 (M3ED's is 1280 x 720)."""

    def fill(file: Any) -> None:
        for name, events in cameras.items():
            group = file.create_group(f"prophesee/{name}")
            add_columns(group, events, TYPES | {"t": "i8"}, maxshape=(None,), compression="gzip")
            group["calib/resolution"] = np.array([128, 96])
        file["ovc/imu/accel"] = np.zeros((4, 3))

    return hdf5(fill)


def metavision(events: list[Event], geometry: str | None = "128x96") -> bytes:
    """CD/events without a filter, its index, and triggers."""

    def fill(file: Any) -> None:
        file["CD/events"] = np.array([(x, y, p, t) for t, x, y, p in events], METAVISION)
        file["CD/indexes"] = np.zeros(2, [("id", "u8"), ("ts", "i8")])
        file["EXT_TRIGGER/events"] = np.zeros(1, [("p", "<i2"), ("t", "<i8"), ("id", "<i2")])
        if geometry:
            file.attrs["geometry"] = geometry

    return hdf5(fill)
