"""Writes a network in another program's format, with a card that says what was checked."""

from importlib.metadata import version
from pathlib import Path
from typing import Literal

from torch import Tensor

from pipeline.export.card import card
from pipeline.export.check import (
    ExportCheck,
    by_onnxruntime,
    by_onnxruntime_stepped,
    by_torch_export,
    compared,
    our_logits,
    steps_of,
)
from pipeline.export.graphs import write_onnx_step, write_onnx_window, write_program
from pipeline.ground.errors import InputError
from pipeline.ground.files import whole_folder
from pipeline.predict.network import Trained

Format = Literal["onnx", "nir", "torch"]
_CARD = "README.md"
_FILES = {"window.onnx", "step.onnx", "window.pt2", "network.nir"}
"""Names of the files that an export writes beside its card."""


def export_network(trained: Trained, inputs: Tensor, to: Format, into: Path) -> list[ExportCheck]:
    """Writes the folder `into` and checks its files on real `inputs`, which are as in training.

    Replaces an earlier export. Raises InputError for a folder of anything else, and one that names every part of the
    network that the format cannot say; then nothing is written.
    """
    into = into.resolve()
    _check_replaceable(into)
    trained.model.eval()
    writer = {"onnx": _onnx, "nir": _nir, "torch": _program}[to]
    with whole_folder(into) as folder:
        try:
            checks = writer(trained, inputs, folder)
        except ImportError as error:
            raise InputError(f"{error.name} is not installed; `make setup` installs what exports need") from None
        except ValueError as error:
            raise InputError(f"{trained.name}: cannot be exported to {to}: {error}") from None
        (folder / _CARD).write_text(card(trained, to, checks), encoding="utf-8")
    return checks


def _check_replaceable(folder: Path) -> None:
    """Raises InputError unless there is nothing, an empty folder, or an earlier export."""
    if not folder.exists():
        return
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if found - {_CARD} - _FILES or found == {_CARD}:
        raise InputError(f"{folder}: exists and is not an earlier export; name another folder with --out, or remove it")


def _onnx(trained: Trained, inputs: Tensor, folder: Path) -> list[ExportCheck]:
    model, program = trained.model, f"onnxruntime {version('onnxruntime')}"
    ours, checks = our_logits(model, inputs), []
    step = write_onnx_step(model, folder / "step.onnx")
    checks.append(compared(step, program, ours, by_onnxruntime_stepped(step, model, steps_of(model, inputs))))
    if model.config.encoding != "poisson":
        window = write_onnx_window(model, folder / "window.onnx")
        checks.append(compared(window, program, ours, by_onnxruntime(window, inputs)))
    return checks


def _nir(trained: Trained, inputs: Tensor, folder: Path) -> list[ExportCheck]:
    from pipeline.export.nir_graph import write_nir
    from pipeline.export.nir_run import by_nirtorch

    model = trained.model
    path = write_nir(model, folder / "network.nir")
    theirs = by_nirtorch(path, steps_of(model, inputs))
    return [compared(path, f"nirtorch {version('nirtorch')}", our_logits(model, inputs), theirs)]


def _program(trained: Trained, inputs: Tensor, folder: Path) -> list[ExportCheck]:
    model = trained.model
    path = write_program(model, folder / "window.pt2")
    theirs = by_torch_export(path, inputs)
    return [compared(path, f"torch {version('torch')}", our_logits(model, inputs), theirs)]
