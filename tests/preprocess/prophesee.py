"""Prophesee's files written word by word, from the specification of each format."""

import struct

RAW = "% date 2020-01-01 12:00:00\n% format {name};height=720;width=1280\n% end\n"

Y, X, BASE, VECTOR12, VECTOR8, LOW, HIGH, TRIGGER = 0, 2, 3, 4, 5, 6, 8, 10
"""Kinds of words of EVT 3.0."""
SMALL = "% format {name};width=40;height=33\n% end\n"
"""Header of a small sensor."""


def dat(*events: tuple[int, int], header: str = "% Version 2\n% Width 640\n% Height 480\n", kind: int = 12) -> bytes:
    """Events are pairs of time and address."""
    return header.encode() + bytes([kind, 8]) + b"".join(struct.pack("<II", *event) for event in events)


def address(x: int, y: int, p: int) -> int:
    return p << 28 | y << 14 | x


def raw(name: str, *words: int, header: str = RAW) -> bytes:
    """A .raw file of EVT2, EVT21 or EVT3."""
    form = {"EVT2": "<I", "EVT21": "<Q", "EVT3": "<H"}[name]
    return header.format(name=name).encode() + b"".join(struct.pack(form, word) for word in words)


def event2(x: int, y: int, p: int, low: int) -> int:
    """A word of EVT 2.0 with the 6 low bits of time."""
    return p << 28 | low << 22 | x << 11 | y


def time2(high: int) -> int:
    return 8 << 28 | high


def vector21(x: int, y: int, p: int, low: int, flags: int) -> int:
    """A word of EVT 2.1: one event at x + i for each flag i."""
    return event2(x, y, p, low) << 32 | flags


def word3(kind: int, value: int) -> int:
    return kind << 12 | value
