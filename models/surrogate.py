"""Derivatives that stand in for that of the step function, by name."""

from collections.abc import Callable

from torch import Tensor

HEIGHT = 0.3  # authors' model.py


def triangle(excess: Tensor) -> Tensor:
    """0.3 max(0, 1 - |z|) at z = v / threshold - 1, of z's shape. Source: the authors' model.py (after BNTT's code)."""
    return excess.abs().neg_().add_(1.0).clamp_min_(0.0).mul_(HEIGHT)


SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {"triangle": triangle}
