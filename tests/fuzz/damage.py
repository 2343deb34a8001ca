"""Damaged recordings. Each is determined by the fuzzer's seed and the case number."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import h5py
import numpy as np

from pipeline.preprocess.aedat4 import DECOMPRESSED_BYTES
from tests.fuzz.seeds import FORMATS, SENSOR, Seed, seeds
from tests.preprocess.aedat4 import aedat4_of, block

MAGICS = [
    b"#!AER-DAT2.0\r\n",
    b"#!AER-DAT3.1\r\n",
    b"#!AER-DAT4.0\r\n",
    b"\x93NUMPY\x01\x00",
    b"\x93NUMPY\x03\x00",
    b"PK\x03\x04",
]
NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**48,
    2**63,
]
SHAPES = [
    "(1000000000000, 4)",
    "(-1, 4)",
    "(0, 4)",
    "(4,)",
    "()",
    "(2, 4, 1)",
    "(1L, 4)",
    "(1, 2**60)",
    "(9" + "9" * 99 + ", 4)",
]
DTYPES = [
    "'|O'",
    "'<U9'",
    "'<c16'",
    "'<f16'",
    "'|V0'",
    "'<M8[ns]'",
    "[('x', '<i8')]",
    "'<i8,<i8'",
    "None",
    "'" + "<" * 50,
]


@dataclass(frozen=True)
class Case:
    """A file, and how it came to be."""

    number: int
    format: str
    data: bytes
    damage: str

    @property
    def suffix(self) -> str:
        return FORMATS[self.format]


def make_case(seed: int, number: int) -> Case:
    """Case `number` of the fuzzer's run `seed`."""
    drawn = Random(seed << 40 | number)
    name = list(FORMATS)[number % len(FORMATS)]
    source = drawn.choice(seeds(name))
    if drawn.random() < 0.3:
        damage = drawn.choice(OF_FORMATS[name])
        return Case(number, name, damage(drawn, source), damage.__name__.strip("_"))
    data, done = source.whole, []
    for _ in range(drawn.choice((1, 1, 1, 2, 3))):
        damage = drawn.choice(OF_BYTES)
        data = damage(drawn, data) or b"\0"
        done.append(damage.__name__.strip("_"))
    return Case(number, name, data, ", ".join(done))


def _place(drawn: Random, data: bytes) -> int:
    """A byte, every second time in the first 600, where the headers are."""
    return drawn.randrange(min(len(data), 600) if drawn.random() < 0.5 else len(data))


def _cut(drawn: Random, data: bytes) -> bytes:
    return data[: _place(drawn, data)]


def _cut_at_front(drawn: Random, data: bytes) -> bytes:
    return data[_place(drawn, data) :]


def _flip_bits(drawn: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(drawn.choice((1, 1, 2, 8, 64))):
        changed[_place(drawn, data)] ^= 1 << drawn.randrange(8)
    return bytes(changed)


def _put_number(drawn: Random, data: bytes) -> bytes:
    """A number that lies at some limit, where a length or a count may stand."""
    size, start = drawn.choice((1, 2, 4, 8)), _place(drawn, data)
    number = drawn.choice((*NUMBERS, len(data), len(data) + 1, len(data) - start)) % (1 << 8 * size)
    return data[:start] + number.to_bytes(size, drawn.choice(("little", "big"))) + data[start + size :]


def _repeat(drawn: Random, data: bytes) -> bytes:
    start = _place(drawn, data)
    return data[:start] + data[start : start + drawn.randrange(1, 200)] * drawn.randrange(2, 20) + data[start:]


def _remove(drawn: Random, data: bytes) -> bytes:
    start = _place(drawn, data)
    return data[:start] + data[start + drawn.randrange(1, 64) :]


def _insert(drawn: Random, data: bytes) -> bytes:
    start = _place(drawn, data)
    return data[:start] + drawn.randbytes(drawn.randrange(1, 64)) + data[start:]


def _overwrite(drawn: Random, data: bytes) -> bytes:
    start, length = _place(drawn, data), drawn.randrange(1, 300)
    filled = drawn.choice((bytes(length), b"\xff" * length, drawn.randbytes(length)))
    return data[:start] + filled + data[start + length :]


def _wrong_magic(drawn: Random, data: bytes) -> bytes:
    return drawn.choice(MAGICS) + data[drawn.choice((0, 8, 14)) :]


def _header_without_end(drawn: Random, data: bytes) -> bytes:
    form = drawn.randrange(4)
    if form == 0:
        return data.replace(b"\n", b" ")
    if form == 1:
        return data.replace(b"#!END-HEADER", b"#!END")
    if form == 2:
        return data[:14] + b"#" * drawn.choice((1, 1000, 1_000_000))
    return data[:14] + b"#\n" * drawn.choice((1, 1000, 50_000)) + data[14:]


def _nothing_of_it(drawn: Random, data: bytes) -> bytes:
    return drawn.randbytes(drawn.randrange(2000))


OF_BYTES = [
    _cut,
    _cut,
    _cut_at_front,
    _flip_bits,
    _flip_bits,
    _flip_bits,
    _put_number,
    _put_number,
    _put_number,
    _repeat,
    _remove,
    _insert,
    _overwrite,
    _wrong_magic,
    _header_without_end,
    _nothing_of_it,
]


def _outside(drawn: Random, source: Seed) -> bytes:
    return source.outside


def _left_over(drawn: Random, source: Seed) -> bytes:
    return source.whole + drawn.randbytes(drawn.randrange(1, 40))


def _packet_of_many(drawn: Random, source: Seed) -> bytes:
    """AEDAT 3.1: a packet whose header promises more than there is."""
    start = source.whole.find(b"#!END-HEADER") + 14
    sizes = [drawn.choice((0, 1, 8, 2**31, 2**32 - 1)), drawn.choice(NUMBERS) % 2**32]
    header = struct.pack(
        "<2H6I", drawn.choice((1, 3)), 0, sizes[0], 4, *[drawn.choice(NUMBERS) % 2**32] * 2, sizes[1], 0
    )
    return source.whole[:start] + header + source.whole[start:]


def _count_of_many(drawn: Random, source: Seed) -> bytes:
    """AEDAT 4: a block with wrong offsets and counts, at each place where one stands."""
    content, place = bytearray(block([(1, 2, 3, 1)] * drawn.randrange(9))), drawn.randrange(8)
    content[place * 4 : place * 4 + 4] = struct.pack("<I", drawn.choice(NUMBERS) % 2**32)
    return aedat4_of([bytes(content)], SENSOR, drawn.choice((0, 1, 3)))


def _header_of_many(drawn: Random, source: Seed) -> bytes:
    """AEDAT 4: a wrong number in the flatbuffer that the file begins with."""
    place = 14 + 4 * drawn.randrange(14)
    return source.whole[:place] + struct.pack("<I", drawn.choice(NUMBERS) % 2**32) + source.whole[place + 4 :]


def _description(drawn: Random, source: Seed) -> bytes:
    """AEDAT 4: another text where XML names the streams."""
    forms = [
        SENSOR.replace("128", drawn.choice(("0", "-1", "32768", "1e3", "9" * 5000, "64", "192", "32767", ""))),
        "<node>" * drawn.choice((1, 50, 20_000)),
        "<!DOCTYPE a [<!ENTITY a 'aaaaaaaa'>" + "<!ENTITY b '" + "&a;" * 99 + "'>]><dv>&b;</dv>",
        SENSOR.replace('name="0"', drawn.choice(('name="x"', 'name="-1"', 'name="99"', ""))),
        SENSOR.replace("EVTS", drawn.choice(("FRME", "", "evts"))),
        "<?xml version='1.0' encoding='utf-16'?>" + SENSOR,
        drawn.choice(("", " ", "\0", "<dv/>", "<" * 999)),
    ]
    return aedat4_of([block([(1, 2, 3, 1)])], drawn.choice(forms), 0)


def _bomb(drawn: Random, source: Seed) -> bytes:
    """AEDAT 4: a small file that decompresses to much, by one packet or by many; half of them stay below the limit."""
    if drawn.random() < 0.9:  # they are slow
        return _count_of_many(drawn, source)
    size, compression = drawn.choice(
        (
            (DECOMPRESSED_BYTES, 1),
            (DECOMPRESSED_BYTES, 3),
            (4 * DECOMPRESSED_BYTES, 3),
            (DECOMPRESSED_BYTES // 9, 3),
            (DECOMPRESSED_BYTES - 4096, 1),
        )
    )
    return _bomb_of(size, compression, drawn.choice((1, 8) if compression == 1 else (1, 8, 200)))


@cache
def _bomb_of(size: int, compression: int, packets: int) -> bytes:
    content = block([])[4:-4] + struct.pack("<I", size // 16) + bytes(size // 16 * 16)
    one = aedat4_of([struct.pack("<I", len(content)) + content], SENSOR, compression)
    start = len(aedat4_of([], SENSOR, compression))
    end = struct.pack("<q", len(one))
    return (one + one[start:] * (packets - 1)).replace(end, struct.pack("<q", -1), 1)


def _array_header(drawn: Random, source: Seed) -> bytes:
    """gesture: another shape or type in the header."""
    dtype = drawn.choice((*DTYPES, "'<i8'", "'>f8'", "'<f2'"))
    shape = drawn.choice(
        (*SHAPES, "(9, 4)", "(" * drawn.choice((1, 99, 9000)), "-" * drawn.choice((1, 99, 9000)) + "1")
    )
    order = drawn.choice(("False", "True", "7"))
    header = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    version, form = drawn.choice(((1, "<H"), (2, "<I"), (3, "<I")))
    length = drawn.choice((len(header), len(header) + 1, 0, 2**16 - 1))
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, length) + header + bytes(288)


def _strange_numbers(drawn: Random, source: Seed) -> bytes:
    """gesture: floating-point numbers that are none, or far too large."""
    number = drawn.choice((float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 2.0**40, -1e-300, 127.9))
    dtype, form = drawn.choice((("<f8", "<4d"), (">f8", ">4d")))
    row = [1.0, 2.0, 1.0, 3.0]
    row[drawn.randrange(4)] = number
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1, 4), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(form, *row)


def _column(drawn: Random, source: Seed) -> bytes:
    """columns: another array in the place of one, or one more, or one that inflates."""
    with io.BytesIO() as memory, zipfile.ZipFile(io.BytesIO(source.whole)) as whole:
        with zipfile.ZipFile(memory, "w", drawn.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as changed:
            other = drawn.choice(("t.npy", "x.npy", "y.npy", "p.npy", "ts.npy", "q.npy"))
            for name in {*whole.namelist(), other}:
                content = drawn.choice((_array_header, _strange_numbers))(drawn, source)
                changed.writestr(name, content if name == other else whole.read(name))
            if drawn.random() < 0.02:
                changed.writestr("frames.npy", bytes(4 * DECOMPRESSED_BYTES))
        return memory.getvalue()


def _prophesee_header(drawn: Random, source: Seed) -> bytes:
    """Another header: sensor, version or encoding, or none."""
    lines = (
        f"% Width {drawn.choice(NUMBERS)}\n% Height {drawn.choice(NUMBERS)}\n",
        f"% geometry {drawn.choice(NUMBERS)}x{drawn.choice(NUMBERS)}\n",
        f"% format {drawn.choice(('EVT2', 'EVT21', 'EVT3', 'EVT4', ''))};width=128;height=128\n",
        f"% Version {drawn.choice(('0', '1', '3', '9' * 5000))}\n",
        "% " * drawn.choice((1, 1000, 100_000)),
        "%\n" * drawn.choice((1, 1000, 100_000)),
    )
    body = source.whole[source.whole.rfind(b"% ") :].partition(b"\n")[2]
    return "".join(drawn.sample(lines, drawn.randrange(4))).encode() + drawn.choice((b"", b"% end\n")) + body


def _dataset(drawn: Random, source: Seed) -> bytes:
    """HDF5: a link, another type or size, or a chunk that inflates in the place of a dataset."""
    with io.BytesIO(source.whole) as memory:
        with h5py.File(memory, "r+") as file:
            found: list[str] = []
            file.visititems(lambda name, one: found.append(name) if isinstance(one, h5py.Dataset) else None)
            name = drawn.choice(found)
            del file[name]
            drawn.choice(_OTHER_DATASETS)(drawn, file, name)
        return memory.getvalue()


def _link(drawn: Random, file: Any, name: str) -> None:
    file[name] = drawn.choice((h5py.SoftLink("/events/x"), h5py.ExternalLink("/etc/hostname", "/x")))


def _of_numbers(drawn: Random, file: Any, name: str) -> None:
    shape = drawn.choice(((), (0,), (3,), (3, 2)))
    file[name] = np.full(shape, drawn.choice((-1, 0.5, np.nan, np.inf, 2.0**70, 1, True, b"a", 1j)))


def _of_many(drawn: Random, file: Any, name: str) -> None:
    shape, chunk = drawn.choice((10, 1 << 20, 1 << 40, 1 << 60)), drawn.choice((1, 4096, 1 << 24, (1 << 28) - 1))
    file.create_dataset(name, (shape,), "u8", chunks=(chunk,), maxshape=(None,), compression="gzip")


def _of_an_inflating_chunk(drawn: Random, file: Any, name: str) -> None:
    column = file.create_dataset(name, (40,), "u8", chunks=(40,), compression="gzip")
    column.id.write_direct_chunk((0,), zlib.compress(bytes(drawn.choice((0, 319, 320, 321, 1 << 24)))))


_OTHER_DATASETS = (_link, _of_numbers, _of_many, _of_an_inflating_chunk)

OF_FORMATS = {
    "AEDAT 2.0": [_outside, _left_over],
    "AEDAT 3.1": [_outside, _left_over, _packet_of_many],
    "AEDAT 4": [_outside, _left_over, _count_of_many, _header_of_many, _description, _bomb],
    "N-MNIST": [_outside, _left_over],
    "gesture": [_outside, _left_over, _array_header, _strange_numbers],
    "columns": [_outside, _left_over, _column],
    "Prophesee": [_outside, _left_over, _prophesee_header],
    "EVT 2 and 3": [_outside, _left_over, _prophesee_header],
    "HDF5": [_outside, _left_over, _dataset],
}
