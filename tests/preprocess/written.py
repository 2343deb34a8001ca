"""Recordings written byte by byte, from the specification of each format. AEDAT 4 is in aedat4.py."""

import io
import struct
from typing import Any

import numpy as np

HEADER2 = b"#!AER-DAT2.0\r\n# a comment\r\n# another\r\n"


def aedat2(*pairs: tuple[int, int]) -> bytes:
    return HEADER2 + b"".join(struct.pack(">II", address, time) for address, time in pairs)


def header3(*sources: str) -> bytes:
    """The header of AEDAT 3.1 with sources like `0: DVS128`."""
    lines = "".join(f"#Source {source}\r\n" for source in sources)
    return f"#!AER-DAT3.1\r\n#Format: RAW\r\n{lines}#Start-Time: 2020-01-01 12:00:00\r\n#!END-HEADER\r\n".encode()


HEADER3 = header3("0: DVS128")


def packet3(
    events: list[tuple[int, int]], *, kind: int = 1, source: int = 0, size: int = 8, overflow: int = 0
) -> bytes:
    """A packet of AEDAT 3.1: type, source, size, offset of the time, overflow, capacity, number, valid; its events."""
    number = len(events)
    head = struct.pack("<2H6I", kind, source, size, 4, overflow, number, number, number)
    return head + b"".join(struct.pack("<II", *event).ljust(size, b"\0") for event in events)


def polarity3(x: int, y: int, p: int, *, valid: int = 1) -> int:
    return x << 17 | y << 2 | p << 1 | valid


def nmnist(*events: tuple[int, int, int, int]) -> bytes:
    """x, y, polarity and 23 bits of time, by bytes."""
    return b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for x, y, p, t in events)


def npz(**columns: Any) -> bytes:
    with io.BytesIO() as memory:
        np.savez(memory, **{name: np.asarray(column) for name, column in columns.items()})
        return memory.getvalue()


def npy(events: Any) -> bytes:
    with io.BytesIO() as memory:
        np.save(memory, np.asarray(events))
        return memory.getvalue()
