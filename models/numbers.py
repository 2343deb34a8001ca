"""Which numbers a network cannot have, whoever trained it."""

from torch import Tensor


def unsound(name: str, value: Tensor) -> str | None:
    """Why numbers are not those of a network: they are not finite, or are variances below 0."""
    if wrong := value.numel() - int(value.isfinite().sum()):
        return f"{wrong} of {value.numel()} values are NaN or infinite"
    if name.endswith("running_var") and bool((value < 0).any()):
        return f"{float(value.min()):g} is a negative variance"
    return None
