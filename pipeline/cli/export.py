"""`sresnet export`: writes a trained network for other programs."""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.data.store import Store
from pipeline.evaluate.trained import check_fits
from pipeline.export.write import Format, export_network
from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json
from pipeline.ground.paths import ROOT, arrow
from pipeline.predict.files import Files
from pipeline.predict.network import Trained, trained_network
from pipeline.protocol.inputs import prepare

_SAMPLES = 32
"""Number of samples on which a file is checked."""


def export_trained(network: str, files: list[str], to: Format, out: Path | None) -> None:
    """Writes the folder `out` (default: export/<network>-<to>) and prints what was checked. Raises InputError."""
    trained = trained_network(network)
    into = out or ROOT / "export" / f"{network.strip('/').replace('/', '-')}-{to}"
    for check in export_network(trained, _inputs(trained, files), to, into):
        print(
            f"{into / check.file}: {check.program}: the same class for all {check.samples} samples; logits within 1e-5 "
            f"for {check.close} (largest difference {check.largest:.1e})"
        )
    print(f"how to use it: {into / 'README.md'}")


def _inputs(trained: Trained, files: list[str]) -> Tensor:
    """Samples of these files; without files, of the test split that the network belongs to. Raises InputError."""
    pixels = _of_files(trained, files) if files else _of_test_split(trained)
    return prepare(pixels, trained.inputs.scale, trained.inputs, torch.device("cpu"))


def _of_files(trained: Trained, files: list[str]) -> np.ndarray:
    reader = Files(trained)
    pixels = [one for _, one in islice(reader.samples(reader.found(files), lambda: None), _SAMPLES)]
    reader.check_read()
    if not pixels:
        raise InputError("no samples in these files")
    return np.stack(pixels)


def _of_test_split(trained: Trained) -> np.ndarray:
    config = Path(trained.name) / "config.json"
    dataset = read_json(config, "fetch it again").get("dataset") if config.is_file() else None
    if dataset is None or not arrow(str(dataset)).is_dir():
        raise InputError(
            f"{trained.name}: its test samples are not here (data/arrow/{dataset or '...'}); name some files to check "
            f"the export with: sresnet export {trained.name} FILES --to FORMAT"
        )
    store = Store(arrow(str(dataset)), "test")
    check_fits(config.with_name("model.safetensors"), trained.model, store)
    return store.read(np.linspace(0, len(store) - 1, min(_SAMPLES, len(store))).astype(np.int64))
