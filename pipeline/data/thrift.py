"""Reads Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import mmap
from typing import Any

Data = bytes | mmap.mmap
_DEPTH = 12
"""Most levels of structs and lists in each other; a footer has seven."""
_BYTES = {1: 1, 2: 1, 3: 1, 7: 8}
"""Sizes (bytes) of elements that are skipped: booleans, a byte, a float."""
_BITS = {4: 16, 5: 32, 6: 64}
"""Sizes of integers by type. Other readers keep the lowest bits of a larger one, and so read another number."""


def read_struct(data: Data, at: int, level: int = 0) -> tuple[dict[int, Any], int]:
    """The integers, structs and lists of a struct by field number, and the offset of its end; the rest is skipped.

    Raises IndexError, ValueError.
    """
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at, kind = at + 1, head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _integer(data, at, 16)
        if number in fields or number > 32767:  # another reader may take the other one
            raise ValueError(f"a field {number} stands twice in a Thrift struct, or is none")
        fields[number], at = (None, at) if kind in (1, 2) else _value(data, at, kind, level)  # true, false: no bytes
    return fields, at + 1


def _value(data: Data, at: int, kind: int, level: int) -> tuple[Any, int]:
    """A value of a type, None if it is skipped, and the offset of its end."""
    if kind in _BITS:
        return _integer(data, at, _BITS[kind])
    if kind == 8:  # text
        return None, _end_of_text(data, at)
    if kind in _BYTES:
        return None, at + _BYTES[kind]
    if kind in (9, 12) and level < _DEPTH:
        return (_list if kind == 9 else read_struct)(data, at, level + 1)
    raise ValueError(f"a value of type {kind} in a Thrift struct")


def _list(data: Data, at: int, level: int) -> tuple[list[Any], int]:
    """The elements of a list, and the offset of its end."""
    size, kind = data[at] >> 4, data[at] & 15
    size, at = _varint(data, at + 1) if size == 15 else (size, at + 1)
    if size > len(data) - at:
        raise ValueError(f"a list of {size} elements in {len(data) - at} bytes")
    found = []
    for _ in range(size):
        value, at = _value(data, at, kind, level)
        found.append(value)
    return found, at


def _end_of_text(data: Data, at: int) -> int:
    length, at = _varint(data, at)
    if length > len(data) - at:
        raise ValueError(f"a text of {length} bytes in {len(data) - at}")
    return at + length


def _integer(data: Data, at: int, bits: int) -> tuple[int, int]:
    """A zigzag-encoded integer (the sign is the lowest bit), and the offset of its end."""
    value, at = _varint(data, at)
    if value >> bits:
        raise ValueError(f"an integer of a Thrift struct has more than {bits} bits")
    return (value >> 1) ^ -(value & 1), at


def _varint(data: Data, at: int) -> tuple[int, int]:
    """A variable-length integer (7 bits per byte, lowest first), and the offset of its end."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("an integer of a Thrift struct has more than ten bytes")
