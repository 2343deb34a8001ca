"""Archives, folders and parameters of a download."""

import hashlib
import io
import zipfile
from pathlib import Path

from pipeline.ground.params import DownloadParams


def zipped(names: list[str]) -> bytes:
    with io.BytesIO() as memory:
        with zipfile.ZipFile(memory, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), name)
        return memory.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder_of(tmp_path: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    return str(tmp_path / "mine")


def params(catalog: str = "cifar10-dvs", source: str | None = None, **others: object) -> DownloadParams:
    return DownloadParams.model_validate({"catalog": catalog, "source": source} | others)
