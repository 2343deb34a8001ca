"""Tolerances between recomputed and stated values if another processor computed the latter: rounding differences flip a
few spikes. They decide whether values count as equal, and do not affect a verdict.

Shapes: N samples, T time steps, K classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluate.predictions import Predictions

Voltage = npt.NDArray[np.float32]
CLOSE = 1e-3
"""Tolerance of voltages, relative to the sample's largest one."""
STRAY = 0.01
"""Share of samples that may exceed CLOSE or have another answer, because a spike flipped."""
RATES = 0.02
"""Tolerance of rates, relative to the layer's mean rate, and of operations, relative to their number. Noise of 1e-6 on
all weights changes them by less than 0.0003."""


def stray_samples(made: Voltage, stated: Voltage, *, exact: bool) -> int:
    """Number of samples with other voltages (N, T, K) or another answer than stated; 0 if within the tolerances and not
    `exact`. A voltage that is no finite number is another."""
    if exact:
        return int((made != stated).any((1, 2)).sum())
    with np.errstate(invalid="ignore"):  # inf - inf
        close = np.abs(made - stated).max((1, 2)) <= CLOSE * np.abs(made).max((1, 2))
    close &= made[:, -1].argmax(1) == stated[:, -1].argmax(1)
    off = ~(close & np.isfinite(made).all((1, 2)))
    return 0 if off.mean() <= STRAY else int(off.sum())


def other_answers(made: Voltage, stated: Predictions) -> str | None:
    """A line with the number of answers that differ and both accuracies (percent), or None."""
    answers = [voltage[:, -1].argmax(1) for voltage in (made, stated.voltage)]
    if not (others := int((answers[0] != answers[1]).sum())):
        return None
    here, there = (100 * float((one == stated.labels).mean()) for one in answers)
    count = f"{others} of {len(made)} answers differ from the stated ones"
    return f"{count}: {there:.2f} % are right as stated, {here:.2f} % as recomputed"


def close_rates(made: dict[str, Any], stated: dict[str, Any]) -> dict[str, Any]:
    """The stated part `firing`, with each rate that is close to the recomputed one replaced by it."""
    return {
        layer: found | {"rate": _close(made[layer]["rate"], found["rate"], float(np.mean(made[layer]["rate"])))}
        if layer in made and len(made[layer]["rate"]) == len(found["rate"])
        else found
        for layer, found in stated.items()
    }


def _close(made: list[float], stated: list[float], scale: float) -> list[float]:
    """The stated numbers, each replaced by the recomputed one if it is close."""
    return [one if abs(one - other) <= RATES * scale else other for one, other in zip(made, stated, strict=True)]


def close_work(made: dict[str, Any], stated: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both parts `operations`, with close numbers replaced as in `close_rates`.

    Binary and graded operations are added up first, because one flipped spike can turn a whole batch from binary to
    graded.
    """
    ours, theirs = ({name: _sums(work) for name, work in part["layers"].items()} for part in (made, stated))
    for layer in ours.keys() & theirs.keys():
        for name in ("nonzero", "additions", "units", "real"):
            one = ours[layer][name]
            theirs[layer][name] = _close([one], [theirs[layer][name]], one)[0]
    return {**made, "layers": ours}, {**stated, "layers": theirs}


def _sums(work: dict[str, Any]) -> dict[str, Any]:
    kinds = ("binary", "graded", "graded_units")
    sums = {"additions": work["binary"] + work["graded"], "units": work["binary"] + work["graded_units"]}
    return {name: value for name, value in work.items() if name not in kinds} | sums
