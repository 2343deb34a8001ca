"""The four kernels of a layer in plain PyTorch: readable, for any device. cpu.py and cuda.py compute the same.

Shapes: T time steps, S stored steps (T, or 1 if all steps are the same), P pixels of all samples, C channels.
"""

import torch
from torch import Tensor

from ..neuron import THRESHOLD
from ..surrogate import SHAPES, Surrogate

SURROGATES = tuple(SHAPES)


def moments(currents: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sum of squared deviations over the pixels of (S, P, C), each (S, C)."""
    values = currents.to(statistics_type(currents.dtype))
    mean = values.mean(1)
    return mean, (values - mean.unsqueeze(1)).square().sum(1)


def fire(currents: Tensor, scale: Tensor, shift: Tensor, skip: Tensor | None, leak: float | None) -> Tensor:
    """Spikes of neurons with the input currents * scale + shift, plus the skip, (T, P, C) in the currents' type.

    `currents` (S, P, C), `scale` and `shift` (T, C), `skip` (T, P, C). With `leak` None there are no neurons: returns
    currents * scale + shift, plus the skip.
    """
    output = torch.empty(len(scale), *currents.shape[1:], dtype=currents.dtype, device=currents.device)
    membrane = torch.zeros_like(currents[0], dtype=scale.dtype)
    for t in range(len(scale)):
        value = currents[stored(t, currents)] * scale[t] + shift[t]
        if leak is not None:
            membrane = leak * membrane + value
            value = (membrane > THRESHOLD).to(scale.dtype)
            membrane = membrane - THRESHOLD * value
        output[t] = value if skip is None else value + skip[t]
    return output


def fire_backward(
    grad: Tensor, currents: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, leak: float | None, surrogate: Surrogate
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of the neurons' input, (T, P, C); its sum over the pixels, and the sum of its product with
    currents - mean, each (T, C).

    Recomputes the membranes. With u the membrane before the reset and z = u / threshold - 1:
    dL/du[t] = dL/ds[t] s'(z[t]) / threshold + leak dL/du[t + 1]. No gradient flows through the reset.
    """
    steps = len(scale)
    driven = torch.empty_like(grad)
    excess = None if leak is None else _excess(currents, scale, shift, leak)
    total, centred = torch.zeros_like(scale), torch.zeros_like(scale)
    carried = torch.zeros_like(grad[0], dtype=scale.dtype)
    for t in reversed(range(steps)):
        carried = leak * carried if leak is not None else torch.zeros_like(carried)
        carried = carried + grad[t] * (surrogate(excess[t]) / THRESHOLD if excess is not None else 1.0)
        driven[t] = carried
        total[t] = carried.sum(0)
        centred[t] = (carried * (currents[stored(t, currents)] - mean[t])).sum(0)
    return driven, total, centred


def _excess(currents: Tensor, scale: Tensor, shift: Tensor, leak: float) -> Tensor:
    """Membrane before the reset divided by the threshold, minus 1, at every step, (T, P, C)."""
    excess, membrane = [], torch.zeros_like(currents[0], dtype=scale.dtype)
    for t in range(len(scale)):
        membrane = leak * membrane + (currents[stored(t, currents)] * scale[t] + shift[t])
        excess.append(membrane / THRESHOLD - 1.0)
        membrane = membrane - THRESHOLD * (membrane > THRESHOLD).to(scale.dtype)
    return torch.stack(excess)


def combine(driven: Tensor, currents: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """a * driven + b * currents + c, (S, P, C): if one stored step represents all, the sum over the steps.

    `driven` (T, P, C), the others (T, C); `driven` may be overwritten.
    """
    combined = driven * a.unsqueeze(1) + currents * b.unsqueeze(1) + c.unsqueeze(1)
    return (combined if len(currents) == len(driven) else combined.sum(0, keepdim=True)).to(currents.dtype)


def stored(t: int, currents: Tensor) -> int:
    """Index of the stored step for time step t."""
    return t if len(currents) > 1 else 0


def statistics_type(dtype: torch.dtype) -> torch.dtype:
    """Type of statistics, membranes and threshold: float32 if activations are bfloat16, as rounding would flip
    spikes."""
    return torch.float32 if dtype == torch.bfloat16 else dtype
