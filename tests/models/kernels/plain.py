"""The operation step by step, as defined: torch's batch norm, one step of the neurons, a sum. Every implementation
must compute the same output, and the same gradients as autograd through it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from models.kernels.choice import implementation
from models.neuron import lif_step
from models.normalization import EPSILON, NORMALIZATIONS, STATISTICS_MOMENTUM, Normalization
from models.surrogate import AUTHORS
from tests.models.small import drawn, normalized


@dataclass(frozen=True)
class Case:
    """What is drawn for one comparison."""

    normalization: str = "bntt"
    steps: int = 4
    stored: int = 4
    training: bool = True
    leak: float | None = 0.8744
    skip: bool = True
    shape: tuple[int, int, int, int] = (3, 5, 4, 3)
    """B, C, H, W."""
    dtype: torch.dtype = torch.float64

    def norm(self) -> Normalization:
        """Gains, biases and running statistics that differ from set to set and channel to channel."""
        norm = NORMALIZATIONS[self.normalization](self.shape[1], self.steps).double()
        with torch.no_grad():
            norm.gain.copy_(1.5 + drawn(*norm.gain.shape))
            norm.bias.copy_(0.4 + drawn(*norm.bias.shape, seed=3))
            norm.running_mean.copy_(drawn(*norm.gain.shape, seed=4))
            norm.running_var.copy_(0.5 + drawn(*norm.gain.shape, seed=5).square())
        if self.dtype != torch.float64:
            norm.float()  # parameters of bfloat16 activations, too
        return norm.train(self.training)

    def currents(self) -> Tensor:
        """(S, B, C, H, W) whose channels have different means."""
        offset = torch.arange(self.shape[1]).view(-1, 1, 1)
        return (drawn(self.stored, *self.shape, seed=6) * 2 + offset).to(self.dtype)

    def joined(self) -> Tensor | None:
        """The skip, (T, B, C, H, W)."""
        return drawn(self.steps, *self.shape, seed=7).to(self.dtype) if self.skip else None

    def weights(self) -> Tensor:
        """Of the outputs in a loss, (T, B, C, H, W)."""
        return drawn(self.steps, *self.shape, seed=8).to(self.dtype)


def plain(norm: Normalization, currents: Tensor, *, steps: int, skip: Tensor | None, leak: float | None) -> Tensor:
    """As small.normalized."""
    values = step_by_step(norm, currents.expand(steps, -1, -1, -1, -1))
    if leak is not None:
        membrane, spikes = torch.zeros_like(values[0]), []
        for value in values:
            spike, membrane = lif_step(value, membrane, leak, AUTHORS)
            spikes.append(spike)
        values = torch.stack(spikes)
    return values if skip is None else values + skip


def step_by_step(norm: Normalization, currents: Tensor) -> Tensor:
    """Torch's batch norm of each step of (T, B, C, H, W), or of all steps with one set; running statistics move."""
    groups = currents.unbind() if len(norm.gain) == len(currents) else [currents.flatten(0, 1)]
    parts = [
        batch_norm(
            group,
            norm.running_mean[g],
            norm.running_var[g],
            norm.gain[g],
            norm.bias[g],
            norm.training,
            STATISTICS_MOMENTUM,
            EPSILON,
        )
        for g, group in enumerate(groups)
    ]
    return torch.cat(parts).view_as(currents)


def computed(case: Case, name: str) -> dict[str, Tensor]:
    """Output, gradients of every input and running statistics; `name` is an implementation, or plain."""
    norm, currents, skip = case.norm(), case.currents().requires_grad_(), case.joined()
    if skip is not None:
        skip.requires_grad_()
    given = {"steps": case.steps, "skip": skip, "leak": case.leak}
    if name == "plain":
        output = plain(norm, currents, **given)
    else:
        with implementation(name):
            output = normalized(norm, currents, **given)
    (output * case.weights()).sum().backward()
    found = {"output": output.detach(), "currents": currents.grad, "gain": norm.gain.grad, "bias": norm.bias.grad}
    if skip is not None:
        found["skip"] = skip.grad
    return found | {key: value.clone() for key, value in norm.named_buffers()}
