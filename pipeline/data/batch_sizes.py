"""Memory that the record batches of an Arrow file take, before one is read: a kilobyte can decompress to gigabytes.

Sizes stand in the messages, which are flatbuffers. https://arrow.apache.org/docs/format/Columnar.html,
https://flatbuffers.dev/internals
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_MAGIC_AND_SIZE = 10
"""Bytes at the end of a file: the size of the footer (4) and ARROW1."""
_BLOCK = np.dtype({"names": ["start", "head", "body"], "formats": ["<i8", "<i4", "<i8"], "offsets": [0, 8, 16]})
"""Where a message lies: its offset, and the sizes of its metadata and its buffers."""
_BUFFER = np.dtype([("start", "<i8"), ("size", "<i8")])
_FOOTER_BATCHES, _MESSAGE_BATCH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 3, 2, 2, 3
"""Numbers of fields."""


def batch_sizes(content: pa.Buffer) -> Iterator[int]:
    """Yields the size (bytes) of all buffers of each record batch, decompressed, in the order of `get_batch`.

    Raises ValueError, IndexError, EOFError, OSError, pa.ArrowException for a damaged file.
    """
    end = len(content) - _MAGIC_AND_SIZE
    size = int.from_bytes(content[end : end + 4].to_pybytes(), "little")
    if not 0 < size <= end:
        raise ValueError("truncated, or not an Arrow file")
    footer = content[end - size : end].to_pybytes()
    for start, head, body in _vector(footer, referred(footer, _root(footer), _FOOTER_BATCHES), _BLOCK).tolist():
        yield _size(pa.ipc.read_message(content.slice(start, head + body)))


def _size(message: pa.ipc.Message) -> int:
    data = message.metadata.to_pybytes()
    batch = referred(data, _root(data), _MESSAGE_BATCH)
    buffers = _vector(data, referred(data, batch, _BATCH_BUFFERS), _BUFFER).tolist()
    sizes = [size for _, size in buffers]
    if referred(data, batch, _BATCH_COMPRESSION):
        sizes = [_grown(message.body, start, size) for start, size in buffers]
    if min(sizes, default=0) < 0:  # it would make up for another
        raise ValueError("a buffer of negative size")
    return sum(sizes)


def _grown(body: pa.Buffer, start: int, size: int) -> int:
    """Decompressed size of a buffer, with which it begins; -1: it is stored as it is."""
    stated = int.from_bytes(body[start : start + 8].to_pybytes(), "little", signed=True) if size else 0
    return size if stated == -1 else stated


def _root(data: bytes) -> int:
    return int.from_bytes(data[:4], "little")


def _vector(data: bytes, at: int, kind: np.dtype) -> npt.NDArray[np.void]:
    """The structs of a vector. Raises ValueError."""
    return np.frombuffer(data, kind, int.from_bytes(data[at : at + 4], "little"), at + 4)


def referred(data: bytes, table: int, number: int) -> int:
    """Offset of the table that a field of a flatbuffers table refers to; 0 if the field is not set."""
    names = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    entry = 4 + 2 * number
    if entry >= int.from_bytes(data[names : names + 2], "little"):
        return 0
    at = int.from_bytes(data[names + entry : names + entry + 2], "little")
    return table + at + int.from_bytes(data[table + at : table + at + 4], "little") if at else 0
