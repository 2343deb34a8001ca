"""Columns of events in HDF5 files: groups with x, y, t and p (DSEC, M3ED), or Metavision's compound CD/events.

https://dsec.ifi.uzh.ch/data-format/, https://m3ed.io/data_overview/,
https://docs.prophesee.ai/stable/data/file_formats/hdf5.html
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, InputError, RecordingError
from pipeline.ground.names import shown
from pipeline.preprocess.aedat4 import DECOMPRESSED_BYTES, DECOMPRESSION_RATIO
from pipeline.preprocess.arrays import recording_of_columns
from pipeline.preprocess.prophesee import header_sensor
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.sources import OTHER_STREAMS, StreamKey, only_source
from pipeline.preprocess.times import LATEST

_COLUMNS = ("t", "x", "y", "p")
"""Names of the datasets in a group, or of the fields of a compound dataset."""
_ECF = 36559
"""Id of Prophesee's filter, 0x8ECF."""
_OBJECTS = 10_000
"""Maximum number of groups and datasets in a file; M3ED's have about a hundred."""
_SENSOR_KEYS = ("width", "height", "geometry", "format", "generation", "sensor_generation")
_DEFLATE, _FLETCHER32 = 1, 3
"""Ids of HDF5's own filters."""
_DEFLATE_RATIO = 1032
"""Maximum compression ratio of deflate."""
_CHUNK_BYTES = 8192
"""Memory (bytes) that HDF5 takes to read a chunk, however small it is."""
_NAMED = 12
"""Maximum number of datasets that an error names."""


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """The datasets with the events of a camera, by column; or the compound dataset alone, with the key None."""

    datasets: dict[str | None, Any]
    group: Any
    """The group that they are in."""

    def __len__(self) -> int:
        shape = next(iter(self.datasets.values())).shape
        return int(shape[0]) if shape else 0


def read_hdf5(data: bytes, where: str, sensor: Sensor | None = None, stream: StreamKey | None = None) -> Recording:
    """The events of a camera in a file; `stream` is preprocess.stream, the path of its group. Raises RecordingError.

    Times are microseconds; the dataset t_offset beside the group is added to them (DSEC). Nothing is read that lies in
    another file.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{where}: HDF5 needs the package h5py; install h5py, and hdf5plugin for its filters"
        ) from None
    try:
        with h5py.File.in_memory(data) as file:
            return _read(file, where, sensor, stream, max(DECOMPRESSED_BYTES, DECOMPRESSION_RATIO * len(data)))
    except RecordingError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise RecordingError(
            f"{where}: byte 0: not a complete HDF5 file ({shown(str(error))}); {RECORDING_REMEDY}"
        ) from None


def _read(file: Any, where: str, sensor: Sensor | None, stream: StreamKey | None, most: int) -> Recording:
    """`most` is the number of bytes that the columns may have."""
    streams = _streams(file, where)
    kinds = {name: "compound dataset" if None in found.datasets else "group" for name, found in streams.items()}
    only = only_source(streams, kinds, f"{where}: byte 0", stream)
    name = min(streams) if only is None else only
    chosen = streams[name]
    columns = _arrays(chosen, where, most)
    named = header_sensor(_header(file)) or _resolution(chosen.group, where)
    recording = recording_of_columns(columns, where, sensor, _COLUMNS, named)
    others = sum(map(len, streams.values())) - len(recording)
    counts = {"events": len(recording) + others, OTHER_STREAMS: others}
    return replace(recording, t=recording.t + _offset(chosen.group, where), counts=counts)


def _streams(file: Any, where: str) -> dict[str, _Columns]:
    """The columns of each camera by the path of its group, or of its compound dataset. Raises RecordingError."""
    found: dict[str, _Columns] = {}
    others: list[str] = []
    for group, datasets in _groups(file, where):
        if set(_COLUMNS) <= set(datasets):
            found[_path(group) or "/"] = _Columns(datasets={name: datasets.pop(name) for name in _COLUMNS}, group=group)
        for one in datasets.values():
            if set(_COLUMNS) <= set(one.dtype.names or ()):
                found[_path(one)] = _Columns(datasets={None: one}, group=group)
            else:
                others.append(_path(one))
    if not found:
        named = ", ".join(sorted(others)[:_NAMED]) or "no dataset"
        raise RecordingError(
            f"{where}: byte 0: expected datasets x, y, t and p in one group, or a compound dataset with these fields, "
            f"found {named}; convert the file"
        )
    return found


def _groups(file: Any, where: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each group of the file with its datasets. Raises RecordingError for a link, and for too many objects."""
    waiting, seen, number = [file], {_address(file)}, 0
    while waiting:
        group = waiting.pop()
        datasets = {}
        for name in group:
            _refuse_link(group, name, where)
            if (number := number + 1) > _OBJECTS:
                raise RecordingError(f"{where}: byte 0: more than {_OBJECTS} groups and datasets; {RECORDING_REMEDY}")
            one = group[name]
            if hasattr(one, "dtype"):
                datasets[name] = one
            elif _address(one) not in seen:  # a group may be in itself
                seen.add(_address(one))
                waiting.append(one)
        yield group, datasets


def _path(one: Any) -> str:
    return shown(one.name.strip("/"))


def _address(one: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(one.id).addr)


def _refuse_link(group: Any, name: str, where: str) -> None:
    """Raises RecordingError for a link by name, which may lead out of the file."""
    import h5py

    link = group.get(name, getlink=True)
    if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
        target = shown(" ".join([*([link.filename] if isinstance(link, h5py.ExternalLink) else []), link.path]))
        place = shown(f"{group.name}/{name}".strip("/"))
        raise RecordingError(f"{where}: byte 0: {place}: is a link to {target}; copy what it names into its place")


def _arrays(found: _Columns, where: str, most: int) -> dict[str, npt.NDArray[Any]]:
    """The columns as arrays. All are checked before the first is read."""
    for dataset in found.datasets.values():
        most -= _check_stored(dataset, where, most)
    if None in found.datasets:
        rows = found.datasets[None].fields(list(_COLUMNS))[:]
        return {name: rows[name] for name in _COLUMNS}
    return {str(name): dataset[:] for name, dataset in found.datasets.items()}


def _check_stored(dataset: Any, where: str, most: int) -> int:
    """The size (bytes) of a dataset of one axis, which is at most `most`, and can be decoded."""
    place, stored = f"{where}: byte 0: {_path(dataset)}", _here(dataset, where)
    if dataset.ndim != 1 or dataset.dtype.hasobject:
        raise RecordingError(f"{place}: expected numbers (N,), found {dataset.shape} of {dataset.dtype}; convert it")
    number, chunk = dataset.shape[0], dataset.chunks[0] if dataset.chunks else 0
    if (size := max(number, chunk) * dataset.dtype.itemsize) > most:
        raise RecordingError(f"{place}: {size} bytes, expected at most {most} for this file; {RECORDING_REMEDY}")
    if chunk and (chunks := -(-number // chunk)) * _CHUNK_BYTES > most:
        raise RecordingError(f"{place}: {chunks} chunks are too many for this file; write it with larger chunks")
    filters = [stored.get_filter(index) for index in range(stored.get_nfilters())]
    for code, _, _, name in filters:
        _require_filter(code, shown(name.decode(errors="replace")), place)
    _refuse_bomb(dataset, [code for code, *_ in filters], place, most)
    return int(size)


def _refuse_bomb(dataset: Any, filters: list[int], place: str, most: int) -> None:
    """Raises RecordingError if a chunk inflates to more than its size: HDF5 would allocate all of it."""
    if _DEFLATE not in filters:
        return
    if set(filters[filters.index(_DEFLATE) + 1 :]) - {_FLETCHER32}:
        raise RecordingError(f"{place}: is compressed twice (filters {filters}); write it with one compression")
    stored: list[Any] = []
    dataset.id.chunk_iter(stored.append)
    size = dataset.chunks[0] * dataset.dtype.itemsize
    for chunk in stored:
        if chunk.size * _DEFLATE_RATIO <= most:
            continue
        packed = dataset.id.read_direct_chunk(chunk.chunk_offset)[1] if chunk.size <= most else b""
        if not 0 < len(zlib.decompressobj().decompress(packed, size + 1)) <= size:
            raise RecordingError(f"{place}: a chunk has more than its {size} bytes; {RECORDING_REMEDY}")


def _here(dataset: Any, where: str) -> Any:
    """How a dataset is stored. Raises RecordingError if its values lie in other files."""
    stored = dataset.id.get_create_plist()
    if dataset.is_virtual or stored.get_external_count():
        raise RecordingError(
            f"{where}: byte 0: {_path(dataset)}: is virtual, or its values lie in another file; copy them into this one"
        )
    return stored


def _require_filter(code: int, name: str, place: str) -> None:
    """Raises RecordingError unless the filter is in h5py or, if that is installed, in hdf5plugin."""
    from h5py import h5z

    if h5z.filter_avail(code):
        return
    if code == _ECF:
        raise RecordingError(
            f"{place}: is compressed by Prophesee's filter ECF (id {_ECF}, 0x8ECF), which hdf5plugin does not have; "
            "export the recording as RAW or DAT"
        )
    try:
        import hdf5plugin  # noqa: F401 - registers its filters

        remedy = "hdf5plugin does not have it: write the file again without it"
    except ImportError:
        remedy = "install hdf5plugin"
    if not h5z.filter_avail(code):
        raise RecordingError(f"{place}: is compressed by the filter {name} (id {code}); {remedy}")


def _header(file: Any) -> dict[str, str]:
    """What the file's attributes say of the sensor, as the header of a .raw file says it."""
    found = {key: file.attrs[key] for key in _SENSOR_KEYS if key in file.attrs}
    return {key: str(value) for key, value in found.items() if isinstance(value, str | int | np.integer)}


def _resolution(group: Any, where: str) -> Sensor | None:
    """Width and height in calib/resolution of a camera's group (M3ED)."""
    found = group.get("calib/resolution")
    if getattr(found, "shape", None) != (2,) or found.dtype.kind not in "iu":
        return None
    _here(found, where)
    width, height = (int(number) for number in found[:])
    return (width, height) if 0 < width < 1 << 15 and 0 < height < 1 << 15 else None


def _offset(group: Any, where: str) -> int:
    """t_offset beside a camera's group (DSEC), in microseconds; 0 without one. Raises RecordingError."""
    found = group.parent.get("t_offset")
    if found is None or group.name == "/":
        return 0
    if getattr(found, "shape", None) == () and found.dtype.kind in "iu":
        _here(found, where)
        if abs(offset := int(found[()])) <= LATEST:
            return offset
    raise RecordingError(f"{where}: byte 0: t_offset: expected a whole number (microseconds); {RECORDING_REMEDY}")
