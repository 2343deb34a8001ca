"""Checks of the weights in a checkout, without torch: the parameter count, and that no seed is a copy of another."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from pipeline.ground.errors import InputError
from pipeline.judge.audit import run_folder
from pipeline.judge.chain import Break
from pipeline.judge.matching import name_of
from pipeline.report.bundle import EVIDENCE
from pipeline.verify.report_folder import ReportFolder
from pipeline.verify.soundness import two_seeds

Weights = Mapping[str, npt.NDArray[Any]]
_STATISTICS = ("running_mean", "running_var")
"""Ends of the names of tensors that are not trained."""
ONE_START = 0.2
"""Correlation of convolutions above which two networks have the same initial weights. Two seeds have up to 0.05 in the
smallest network (4 filters), where chance correlation is largest. A copy has 0.98 with noise of a fifth of the weights'
standard deviation, and 0.71 with noise of the full standard deviation."""


def parameters(report: ReportFolder) -> Iterator[Break]:
    """The parameter count of a result equals that of its weights."""
    if report.root is None:
        return
    for record in report.audit.records:
        path = report.root / run_folder(record) / "model.safetensors"
        if (counted := trained_values(path)) != record.parameters:
            file, expected = f"{EVIDENCE}/results/{name_of(record)}", f"parameters {counted}, counted in {path}"
            yield Break(link="weights", file=file, expected=expected, found=str(record.parameters))


def copies(report: ReportFolder) -> Iterator[Break]:
    """Two seeds of one configuration have different initial weights: their convolutions do not correlate."""
    if report.root is None:
        return
    values = {
        name_of(record): convolutions(load_weights(report.root / run_folder(record) / "model.safetensors"))
        for record in report.audit.records
    }
    for one, other in two_seeds(report.audit.records):
        if (found := correlation(values[name_of(one)], values[name_of(other)])) > ONE_START:
            expected = f"convolutions of another draw than those of {name_of(one)}"
            file = str(report.root / run_folder(other) / "model.safetensors")
            yield Break(link="seeds", file=file, expected=expected, found=f"a correlation of {found:.3f}")


def trained_values(path: Path) -> int:
    """Number of trainable parameters of a network, from the header of its file. Raises InputError."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not name.endswith(_STATISTICS)]  # noqa: SIM118 (not a dict)
            return sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: missing or damaged ({error}); train again") from None


def load_weights(path: Path) -> Weights:
    """All tensors of a network. Raises InputError."""
    try:
        weights: Weights = load_file(path)
    except (
        AttributeError,
        OSError,
        SafetensorError,
        TypeError,
    ) as error:  # types that numpy lacks, too
        raise InputError(f"{path}: missing or damaged ({error}); train again") from None
    for name, values in weights.items():
        if values.dtype != np.float32:
            raise InputError(f"{path}: missing or damaged (tensor {name} is {values.dtype}, not float32); train again")
    return weights


def convolutions(weights: Weights) -> npt.NDArray[np.float64]:
    """The weights of all convolutions, each tensor normalized to mean 0 and deviation 1, so that scale has no
    effect."""
    parts = [weights[name].astype(np.float64).ravel() for name in sorted(weights) if name.endswith("conv.weight")]
    return np.concatenate([np.zeros(0), *((part - part.mean()) / (part.std() or 1.0) for part in parts)])


def correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Correlation of two networks' `convolutions`; 0 if there are none."""
    return float((one * other).mean()) if len(one) else 0.0
