"""Parquet files of images in the Hugging Face layout, and what is read from them."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.download.catalog import CATALOG
from pipeline.ground.errors import InputError
from pipeline.preprocess.images import Images, read_images

PARQUET = CATALOG["parquet-images"]
INT64 = pa.int64()
Pixels = npt.NDArray[np.uint8]


def picture(seed: int, *, size: int = 6) -> Pixels:
    """Height, width, channels."""
    return np.random.default_rng(seed).integers(0, 256, (size, size + 1, 3), dtype=np.uint8)


def png(pixels: Pixels) -> bytes:
    with io.BytesIO() as memory:
        Image.fromarray(pixels).save(memory, "png")
        return memory.getvalue()


def write(
    path: Path,
    images: list[bytes | None],
    labels: list[Any],
    *,
    names: dict[str, Any] | None = None,
    metadata: bytes | None = None,
    kind: pa.DataType = INT64,
    image: str = "img",
    label: str = "label",
) -> None:
    """A file in the Hugging Face layout; `names` describes its features."""
    cells = [{"bytes": content, "path": f"{place}.png"} for place, content in enumerate(images)]
    layout = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({image: pa.array(cells, layout), label: pa.array(labels, kind)})
    if names is not None:
        metadata = json.dumps({"info": {"features": names}}).encode()
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": metadata})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_split(raw: Path, split: str, seeds: list[int], **options: Any) -> None:
    write(raw / f"{split}-00000-of-00001.parquet", [png(picture(seed)) for seed in seeds], seeds, **options)


def parquet(raw: Path) -> tuple[Images, tuple[str, ...]]:
    return read_images(raw, PARQUET, "official")


def error_of(raw: Path) -> str:
    with pytest.raises(InputError) as error:
        parquet(raw)
    return str(error.value)


def names_of(*names: Any) -> dict[str, Any]:
    return {"label": {"names": list(names), "_type": "ClassLabel"}}
